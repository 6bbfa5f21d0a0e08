"""The metric for your own loop equals ``evaluate_lrp`` on the same data."""

import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from coco_helpers import IMAGE_IDS, data_sets, make_data
from hypothesis import given, settings
from hypothesis import strategies as st
from streaming_helpers import assert_same, of_same_categories, to_dicts

from alrp.lrp import LRPMetric, evaluate_lrp

ROOT = Path(__file__).parents[2]


@settings(max_examples=30)
@given(data_sets(), st.sampled_from(['xyxy', 'xywh', 'cxcywh']), st.randoms(), st.booleans())
def test_equals_evaluate_lrp(data, box_format, random, image_ids):
    """Boxes on a grid, so that the conversion is exact. With ids, updates come in any order."""
    metric = LRPMetric(box_format, max_dets=(1, 3, 100), iou_thresholds=[0.5, 0.6])
    images = list(zip(*to_dicts(*data, box_format, image_ids)))
    if image_ids:
        random.shuffle(images)
    metric.update(*zip(*images[:2]))
    metric.update(*zip(*images[2:]))
    assert len(metric) == len(IMAGE_IDS)
    expected = evaluate_lrp(
        *of_same_categories(*data), max_dets=(1, 3, 100), iou_thresholds=[0.5, 0.6]
    )
    assert_same(metric.compute(), expected)


@pytest.mark.parametrize('seed', range(3))
def test_boxes_of_detectors_equal_evaluate_lrp(seed):
    """Corners in float32, on any position, from tensors that need gradients."""
    torch = pytest.importorskip('torch')
    rng = np.random.default_rng(seed)

    def boxes(count, dtype):
        corner = rng.uniform(0, 30, (count, 2))
        return torch.tensor(
            np.concatenate([corner, corner + rng.uniform(1, 60, (count, 2))], 1), dtype=dtype
        )

    metric = LRPMetric(classes=['cat', 'dog', 'emu'])
    images, annotations, results = [], [], []
    for image_id in range(5):
        images.append(dict(id=image_id))
        mine = boxes(20, torch.float32).requires_grad_()
        theirs = boxes(4, torch.float64)
        scores = torch.tensor(rng.integers(0, 9, 20) / 8, dtype=torch.bfloat16)
        labels, true_labels = (torch.tensor(rng.integers(0, 2, n)) for n in (20, 4))
        metric.update(
            [dict(boxes=mine, scores=scores, labels=labels)],
            [dict(boxes=theirs, labels=true_labels, image_id=torch.tensor([image_id]))],
        )
        for entries, each, of in ((results, mine, labels), (annotations, theirs, true_labels)):
            for box, label in zip(each.detach().double().numpy(), of.tolist()):
                box = [*box[:2], *(box[2:] - box[:2])]
                entry = dict(image_id=image_id, category_id=label, bbox=box)
                entries.append({**entry, 'id': len(entries) + 1, 'area': box[2] * box[3]})
        for entry, score in zip(results[-20:], scores.tolist()):
            entry['score'] = score
    categories = [dict(id=i, name=name) for i, name in enumerate(['cat', 'dog', 'emu'])]
    expected = evaluate_lrp(
        dict(images=images, annotations=annotations, categories=categories), results
    )
    ours = metric.compute()
    assert_same(ours, expected)
    assert ours.category_names == ['cat', 'dog', 'emu']
    assert 0 < ours.summary['oLRP'] < 1


@pytest.mark.parametrize('dtype', [bool, np.uint8])
def test_masks_equal_evaluate_lrp(dtype):
    mask = pytest.importorskip('pycocotools.mask')
    rng = np.random.default_rng(0)
    metric = LRPMetric(iou_type='segm')
    images, annotations, results = [], [], []
    for image_id in range(4):
        images.append(dict(id=image_id, height=12, width=9))
        masks = np.zeros((2, 3, 12, 9), bool)
        for pair in masks.transpose(1, 0, 2, 3):
            y, x = rng.integers(0, 5, 2)
            pair[0, y : y + 6, x : x + 4] = True
            pair[1] = np.roll(pair[0], rng.integers(0, 2, 2), (0, 1))
        labels, scores = rng.integers(3, 5, 3), rng.uniform(size=3)
        crowd = [0, 0, int(image_id == 2)]
        metric.update(
            [dict(masks=masks[0].astype(dtype), scores=scores, labels=labels)],
            [dict(masks=masks[1].astype(dtype), labels=labels, iscrowd=crowd)],
        )
        for k in range(3):
            mine, theirs = (
                {**rle, 'counts': rle['counts'].decode()}
                for rle in (mask.encode(np.asfortranarray(m[k].astype(np.uint8))) for m in masks)
            )
            of = dict(image_id=image_id, category_id=int(labels[k]))
            results.append(dict(**of, segmentation=mine, score=scores[k]))
            area = int(masks[1, k].sum())
            annotations.append(
                dict(**of, id=len(results), segmentation=theirs, area=area, iscrowd=crowd[k])
            )
    categories = [dict(id=i, name=str(i)) for i in (3, 4)]
    truth = dict(images=images, annotations=annotations, categories=categories)
    ours = metric.compute()
    assert_same(ours, evaluate_lrp(truth, results, 'segm'))
    assert 0 < ours.summary['oLRP'] < 1


def test_area_defaults_to_that_of_the_box():
    """A box of 40 x 40 is medium; an area of 0 is unknown, as in ``evaluate_lrp``."""
    target = dict(boxes=[[0, 0, 40, 40]], labels=[1])
    prediction = dict(**target, scores=[1])
    for area, size in ((None, 'm'), ([0], 'm'), ([10], 's')):
        metric = LRPMetric()
        metric.update([prediction], [{**target, 'area': area}])
        summary = metric.compute().summary
        assert summary[f'AP_{size}'] == pytest.approx(1) and summary['oLRP'] == 0
        assert [summary[f'AP_{s}'] for s in 'sml' if s != size] == [-1, -1]


def test_merge_equals_one_metric():
    data = make_data(5, 20, 60, num_scores=3)
    predictions, targets = to_dicts(*data)
    whole = LRPMetric('xywh')
    whole.update(predictions, targets)
    parts = [LRPMetric('xywh') for _ in range(3)]
    for rank, part in enumerate(parts):
        mine = [rank, (rank + 1) % 3]  # each image twice, as a sampler repeats some
        part.update([predictions[i] for i in mine], [targets[i] for i in mine])
    sent = pickle.loads(pickle.dumps(parts[1:]))
    merged = parts[0].merge_state(sent)
    assert merged is parts[0] and len(merged) == 3
    assert_same(merged.compute(), whole.compute())
    others = dict(classes=['a'], max_dets=[7], iou_thresholds=[0.5])
    for name, value in others.items():
        with pytest.raises(ValueError, match=f'different {name}'):
            merged.merge_state([LRPMetric(**{name: value})])


def test_reset_forgets():
    predictions, targets = to_dicts(*make_data(5, 20, 60))
    metric = LRPMetric('xywh')
    metric.update(predictions, targets)
    first = metric.compute()
    with pytest.raises(ValueError, match=r"'?image_id.*\b3\b"):
        metric.update(predictions[:1], targets[:1])  # its id was added before
    metric.reset()
    with pytest.raises(ValueError, match='update'):
        metric.compute()
    metric.update(predictions, targets)
    assert_same(metric.compute(), first)


def test_collects_all_processes(monkeypatch):
    """With a stand-in for torch.distributed; the slow test uses the real one."""
    predictions, targets = to_dicts(*make_data(5, 20, 60), image_ids=False)
    halves = LRPMetric('xywh'), LRPMetric('xywh')
    for half, part in zip(halves, (slice(2), slice(2, None))):
        half.update(predictions[part], targets[part])
    whole = LRPMetric('xywh')
    whole.update(predictions, targets)
    expected, alone = whole.compute(), halves[1].compute()

    def all_gather_object(parts, mine):
        assert mine is halves[1]._images
        parts[:] = [half._images for half in halves]

    monkeypatch.setitem(
        sys.modules,
        'torch.distributed',
        SimpleNamespace(
            is_available=lambda: True,
            is_initialized=lambda: True,
            get_world_size=lambda: 2,
            all_gather_object=all_gather_object,
        ),
    )
    assert_same(halves[1].compute(), expected)
    assert len(halves[1]) == 1  # its own state is as before
    halves[1].sync_on_compute = False
    assert_same(halves[1].compute(), alone)


@pytest.mark.slow
def test_collects_all_processes_of_torch(tmp_path):
    pytest.importorskip('torch')
    script = tmp_path / 'run.py'
    script.write_text(
        'import sys\n'
        f'sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n'
        'import torch.distributed as dist\n'
        'from alrp.lrp import LRPMetric\n'
        'from coco_helpers import make_data\n'
        'from streaming_helpers import to_dicts\n'
        'rank = int(sys.argv[1])\n'
        f'init = "file://{tmp_path}/meet"\n'
        'dist.init_process_group("gloo", init_method=init, rank=rank, world_size=2)\n'
        'predictions, targets = to_dicts(*make_data(5, 20, 60))\n'
        'metric = LRPMetric("xywh")\n'
        'mine = [[0, 1], [2, 0]][rank]\n'
        'metric.update([predictions[i] for i in mine], [targets[i] for i in mine])\n'
        'print(metric.compute().summary)\n'
        'dist.destroy_process_group()\n'
    )
    command = sys.executable, str(script)
    processes = [
        subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=120)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()  # one may wait for the other, which failed
    metric = LRPMetric('xywh')
    metric.update(*to_dicts(*make_data(5, 20, 60)))
    assert outputs == [str(metric.compute().summary)] * 2


def test_input_stays_as_it_was():
    predictions, targets = to_dicts(*make_data(5, 20, 60), 'xyxy')
    before = deepcopy((predictions, targets))
    LRPMetric().update(predictions, targets)
    for entries, copies in zip((predictions, targets), before):
        for entry, copy in zip(entries, copies):
            np.testing.assert_equal(entry, copy)
