"""Whole detectors of several stages: what a stage gets is what the one before it proposes."""

from pathlib import Path
from unittest import mock

import pytest
import torch
from head_helpers import NOTHING, OBJECTS, SHAPE, batch, total
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import alrp_mmdet.models  # noqa: F401 - registers

OBJECTS_OF_ONE_CLASS = (OBJECTS[0], [0, 0])
CONFIGS = Path(__file__).parents[2] / 'configs'


def build(num_classes: int, cascade: bool = False) -> torch.nn.Module:
    cfg = Config.fromfile(CONFIGS / 'faster_rcnn' / 'alrp_faster-rcnn_r18_fpn_12e_bccd.py')
    cfg.model.roi_head.bbox_head.num_classes = num_classes
    if cascade:
        head = cfg.model.roi_head
        head.update(type='CascadeRoIHead', num_stages=2, stage_loss_weights=[1, 0.5])
        head.bbox_head = [head.bbox_head] * 2
        cfg.model.train_cfg.rcnn = [cfg.model.train_cfg.rcnn] * 2
    return build_from(cfg)


def build_from(cfg: Config) -> torch.nn.Module:
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    detector = MODELS.build(cfg.model)
    detector.init_weights()
    return detector


def build_cascade(loss: str) -> torch.nn.Module:
    """The configs' Cascade R-CNN with a loss in all stages."""
    name = 'alrp' if loss == 'aLRPLoss' else 'rs'
    cfg = Config.fromfile(CONFIGS / 'cascade_rcnn' / f'{name}_cascade-rcnn_r18_fpn_12e_bccd.py')
    if loss == 'APLoss':
        for head in (cfg.model.rpn_head, *cfg.model.roi_head.bbox_head):
            head.loss_cls = dict(type=loss)
    return build_from(cfg)


def samples(*boxes_and_labels, shapes) -> tuple[torch.Tensor, list[DetDataSample]]:
    samples = []
    for gt_instances, meta in zip(*batch(*boxes_and_labels, shapes=shapes)):
        sample = DetDataSample(metainfo=dict(meta, batch_input_shape=SHAPE))
        sample.gt_instances = gt_instances
        samples.append(sample)
    pictures = torch.randn(len(samples), 3, *SHAPE, generator=torch.Generator().manual_seed(1))
    return pictures, samples


@pytest.mark.parametrize('num_classes', [1, 500])
def test_trains_a_step_with_an_image_without_objects(num_classes):
    detector = build(num_classes)
    objects = (OBJECTS[0], [0, num_classes - 1])
    inputs = samples(objects, NOTHING, shapes=[SHAPE, (40, 72)])
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.001)
    losses = detector.loss(*inputs)
    assert losses['rpn_num_pos'] > 0 and losses['num_pos'] > 0
    assert losses['rpn_loss_cls'] > 0 and losses['rpn_loss_bbox'] > 0
    total(losses).backward()
    optimizer.step()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())
    assert all(value.isfinite() for value in detector.loss(*inputs).values())


def test_without_objects_losses_are_zero_and_reach_every_parameter():
    detector = build(num_classes=3)
    losses = detector.loss(*samples(NOTHING, NOTHING, shapes=[SHAPE, SHAPE]))
    assert losses['num_pos'] == losses['rpn_num_pos'] == total(losses) == 0
    total(losses).backward()
    assert all(p.grad is not None and not p.grad.any() for p in detector.parameters())


def test_each_stage_balances_itself():
    detector = build(num_classes=3)
    rpn, rcnn = detector.rpn_head.loss_cls, detector.roi_head.bbox_head.loss_cls
    assert rpn.self_balance is not rcnn.self_balance
    assert (rpn.tau, rpn.loss_weight) == (0.7, 0.2)
    assert (rcnn.tau, rcnn.loss_weight) == (0.5, 1.0)


@pytest.mark.parametrize('num_classes', [1, 3])
def test_a_cascade_refines_the_boxes_of_the_class_that_scores_best(num_classes):
    detector = build(num_classes, cascade=True)
    pictures, data_samples = samples(OBJECTS_OF_ONE_CLASS, NOTHING, shapes=[SHAPE, SHAPE])
    losses = detector.loss(pictures, data_samples)
    total(losses).backward()
    assert {'s0.loss_cls', 's1.loss_bbox', 's1.self_balance'} <= set(losses)

    best = num_classes - 1
    first = detector.eval().roi_head.bbox_head[0]
    first.fc_cls.bias.data[best] = 5
    with (
        torch.no_grad(),
        mock.patch.object(first, 'regress_by_class', wraps=first.regress_by_class) as refine,
    ):
        detector.predict(pictures, data_samples)
    labels = torch.cat([call.args[1] for call in refine.call_args_list])
    assert len(labels) > 0 and (labels == best).all()


@pytest.mark.parametrize('loss', ['aLRPLoss', 'APLoss', 'RankSortLoss'])
def test_cascade_trains_and_predicts_by_every_loss(loss):
    detector = build_cascade(loss)
    names = ['loss_rank', 'loss_sort'] if loss == 'RankSortLoss' else ['loss_cls']
    losses = detector.loss(*samples(OBJECTS_OF_ONE_CLASS, NOTHING, shapes=[SHAPE, SHAPE]))
    for prefix in ('rpn_', 's0.', 's1.', 's2.'):
        for name in (*names, 'loss_bbox'):
            assert losses[f'{prefix}{name}'].isfinite()
        assert losses[f'{prefix}{names[0]}'] > 0
    total(losses).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())

    detector.zero_grad()
    losses = detector.loss(*samples(NOTHING, NOTHING, shapes=[SHAPE, SHAPE]))
    total(losses).backward()
    assert total(losses) == 0
    assert all(p.grad is not None and not p.grad.any() for p in detector.parameters())

    with torch.no_grad():
        found = detector.eval().predict(*samples(NOTHING, shapes=[SHAPE]), rescale=False)
    assert len(found[0].pred_instances) > 0


def test_stages_of_a_cascade_are_independent():
    heads = build_cascade('aLRPLoss').roi_head.bbox_head
    assert len({id(head.loss_cls.self_balance) for head in heads}) == 3
    assert [head.loss_cls.tau for head in heads] == [0.5, 0.6, 0.7]


@pytest.mark.parametrize('loss', ['RankSortLoss', None])
def test_every_stage_ranks_all_proposals_and_the_objects(loss):
    if loss is None:
        path = CONFIGS / 'faster_rcnn' / 'rs_faster-rcnn_r18_fpn_12e_bccd.py'
        detector = build_from(Config.fromfile(path))
        heads = [detector.roi_head.bbox_head]
    else:
        detector = build_cascade(loss)
        heads = list(detector.roi_head.bbox_head)
    pictures, data_samples = samples(OBJECTS_OF_ONE_CLASS, NOTHING, shapes=[SHAPE, SHAPE])
    corners = torch.rand(1200, 2) * 40  # more than MMDetection samples
    boxes = torch.cat([corners, corners + 20], dim=1)
    proposals = [InstanceData(bboxes=boxes), InstanceData(bboxes=boxes[:700])]
    rois = []
    for head in heads:
        head.loss = mock.Mock(side_effect=lambda *args, **_: rois.append(args[2]) or {})
    detector.roi_head.loss(detector.extract_feat(pictures), proposals, data_samples)
    objects = torch.tensor(OBJECTS[0])
    assert len(rois) == len(heads)
    for of_stage in rois:
        assert torch.bincount(of_stage[:, 0].long()).tolist() == [1200 + len(objects), 700]
        ranked = of_stage[of_stage[:, 0] == 0, 1:]
        assert all((ranked == box).all(dim=1).any() for box in objects)
