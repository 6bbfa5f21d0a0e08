"""The loss and the detector of CONTRIBUTING.md work as printed, and are as short as it says."""

import re
from pathlib import Path

import pytest
import torch

pytest.importorskip('alrp_mmdet.models')
from head_helpers import NOTHING, OBJECTS, OTHERS, batch, build, features, total
from mmdet.registry import MODELS

from alrp_mmdet.models import RankingLoss

PAGE = Path(__file__).parents[1] / 'CONTRIBUTING.md'
TITLES = dict(LogRankLoss='Add a loss', BestPredictionsHead='Add a detector')


def code_of(name: str) -> str:
    section = PAGE.read_text(encoding='utf-8').split(f'## {TITLES[name]}\n')[1].split('\n## ')[0]
    [code] = re.findall(r'```python\n(.*?)```', section, flags=re.DOTALL)
    return code


@pytest.fixture
def documented():
    """The classes of the page, registered for one test."""
    scope = {}
    for name in TITLES:
        exec(code_of(name), scope)
    yield scope
    for name in TITLES:
        MODELS._module_dict.pop(name)


def steps(head, count=25):
    """Losses over some steps of training on two images, one of them empty."""
    optimizer = torch.optim.Adam(head.parameters(), lr=0.003)
    losses = []
    for _ in range(count):
        gt, metas = batch(OBJECTS, NOTHING)
        results = head.loss_by_feat(*head(features()), gt, metas)
        optimizer.zero_grad()
        total(results).backward()
        optimizer.step()
        losses.append({name: value.item() for name, value in results.items()})
    return losses


@pytest.mark.parametrize('name, limit', [('LogRankLoss', 40), ('BestPredictionsHead', 40)])
def test_it_is_short(name, limit):
    lines = [line for line in code_of(name).splitlines() if line.strip()]
    assert len(lines) <= limit


def test_a_detector_is_one_method(documented):
    own = [name for name in vars(documented['BestPredictionsHead']) if not name.startswith('_')]
    assert own == ['assign']


@pytest.mark.parametrize('name', ['ALRPRetinaHead', 'ALRPATSSHead', 'ALRPFoveaHead'])
def test_the_loss_trains_every_head(documented, name):
    assert issubclass(documented['LogRankLoss'], RankingLoss)
    losses = steps(build(name, loss_cls=dict(type='LogRankLoss')))
    assert losses[-1]['loss_cls'] < 0.7 * losses[0]['loss_cls']
    assert losses[-1]['ranked_iou'] > losses[0]['ranked_iou']


@pytest.mark.parametrize('loss', ['LogRankLoss', 'aLRPLoss', 'APLoss'])
def test_the_detector_trains_by_every_loss(documented, loss):
    head = build('ALRPRetinaHead', type='BestPredictionsHead', loss_cls=dict(type=loss))
    losses = steps(head)
    assert losses[0]['num_pos'] == 18  # nine of each object, less those that both have
    assert losses[-1]['loss_cls'] < losses[0]['loss_cls']
    assert losses[-1]['ranked_iou'] > losses[0]['ranked_iou']


def test_the_detector_labels_images_by_their_own_objects(documented):
    head = build('ALRPRetinaHead', type='BestPredictionsHead')
    gt, metas = batch(OBJECTS, OTHERS)
    predictions = head.flatten(*head(features()))
    targets = head.assign(predictions, gt, metas)
    for image, objects in enumerate(gt):
        labels = targets.labels[predictions.img_inds == image]
        assert set(labels.tolist()) == {*objects.labels.tolist(), head.num_classes}
