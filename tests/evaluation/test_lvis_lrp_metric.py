"""The metric against LVISMetric, whose values it must reproduce, and against evaluate_lrp."""

import contextlib
import io
import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from task_data import lvis_data

from alrp.lrp import evaluate_lrp

torch = pytest.importorskip('torch')
pytest.importorskip('mmdet')
from mmdet.evaluation import LVISMetric  # noqa: E402
from mmdet.registry import METRICS  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from pycocotools import mask as coco_mask  # noqa: E402

import alrp_mmdet  # noqa: E402, F401 - registers
from alrp_mmdet.datasets.evaluators import logged_names, metrics_of  # noqa: E402
from alrp_mmdet.hooks.metric_rules import is_lrp  # noqa: E402

LRP_NAMES = ['oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn', *(f'oLRP_{part}' for part in 'smlrcf')]
HEIGHT, WIDTH = 96, 128


@pytest.fixture
def data(tmp_path):
    """Ground truth, its path, and one sample per image as a detector passes it to a metric."""
    truth, results = lvis_data(seed=3, num_objects=60, num_detections=900)
    for annotation in truth['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    labels = {c['id']: label for label, c in enumerate(truth['categories'])}
    samples = []
    for image in truth['images']:
        mine = [r for r in results if r['image_id'] == image['id'] and r['category_id'] in labels]
        boxes = torch.tensor([r['bbox'] for r in mine], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        pixels = torch.zeros((len(mine), HEIGHT, WIDTH), dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(pixels, boxes.clamp(min=0).int().tolist()):
            mask[y1:y2, x1:x2] = True
        predictions = dict(
            bboxes=boxes,
            scores=torch.tensor([r['score'] for r in mine], dtype=torch.float32),
            labels=torch.tensor([labels[r['category_id']] for r in mine]),
            masks=pixels,
        )
        samples.append(
            dict(img_id=image['id'], ori_shape=(HEIGHT, WIDTH), pred_instances=predictions)
        )
    path = tmp_path / 'lvis.json'
    path.write_text(json.dumps(truth))
    return truth, str(path), samples


def evaluate(metric, truth, samples):
    metric.dataset_meta = dict(classes=[c['name'] for c in truth['categories']])
    with contextlib.redirect_stdout(io.StringIO()):
        metric.process({}, deepcopy(samples))
        return metric.evaluate(len(samples))


def results_of(truth, samples):
    """The predictions as COCO-format results."""
    results = []
    for sample in samples:
        p = sample['pred_instances']
        boxes = p['bboxes'].double().numpy().copy()
        boxes[:, 2:] -= boxes[:, :2]
        for box, score, label, mask in zip(boxes, p['scores'], p['labels'], p['masks'].numpy()):
            rle = coco_mask.encode(np.asfortranarray(mask))
            results.append(
                dict(
                    image_id=sample['img_id'],
                    category_id=truth['categories'][label]['id'],
                    bbox=box.tolist(),
                    score=score.item(),
                    segmentation=dict(rle, counts=rle['counts'].decode()),
                )
            )
    return results


@pytest.mark.parametrize(
    'options',
    [
        dict(classwise=True),
        dict(metric_items=['AP', 'AR@300', 'ARs@300', 'APr']),
        dict(prefix='mine', proposal_nums=(1, 2, 3), iou_thrs=[0.5]),
    ],
)
def test_equals_lvis_metric(data, monkeypatch, options):
    pytest.importorskip('lvis')
    monkeypatch.setattr(np, 'float', float, raising=False)  # lvis needs it
    truth, path, samples = data
    truth['categories'].sort(key=lambda c: c['id'])  # or LVISMetric mixes up classes
    Path(path).write_text(json.dumps(truth))
    options = dict(options, ann_file=path, metric=['bbox', 'segm', 'proposal'])
    ours = evaluate(METRICS.build(dict(options, type='LVISLRPMetric')), truth, samples)
    theirs = evaluate(LVISMetric(**options), truth, samples)
    assert theirs.keys() <= ours.keys()
    np.testing.assert_array_equal([ours[name] for name in theirs], list(theirs.values()))
    assert all(is_lrp(name) for name in ours.keys() - theirs.keys())


def test_proposal_fast(data):
    """MMDetection's needs images with as many objects and detections as one another."""
    truth, path, samples = data
    first = [a for a in truth['annotations'] if a['image_id'] == 3][:5]
    images = [image['id'] for image in truth['images']]
    truth['annotations'] = [
        dict(a, id=10 * i + n, image_id=image)
        for i, image in enumerate(images)
        for n, a in enumerate(first, 1)
    ]
    Path(path).write_text(json.dumps(truth))
    for sample in samples:
        predictions = sample['pred_instances']
        sample['pred_instances'] = {key: value[:40] for key, value in predictions.items()}
    options = dict(ann_file=path, metric='proposal_fast')
    ours = evaluate(METRICS.build(dict(options, type='LVISLRPMetric')), truth, samples)
    assert 0 < ours['lvis/AR@100'] < 1
    pytest.importorskip('lvis')
    assert ours == evaluate(LVISMetric(**options), truth, samples)


def test_lrp_is_logged(data):
    truth, path, samples = data
    options = dict(ann_file=path, metric=['bbox', 'segm'], thresholds_file=path + '.thresholds')
    ours = evaluate(METRICS.build(dict(options, type='LVISLRPMetric')), truth, samples)
    results = results_of(truth, samples)
    for iou_type in ('bbox', 'segm'):
        summary = evaluate_lrp(truth, results, iou_type).summary
        for name in LRP_NAMES:
            assert ours[f'lvis/{iou_type}_{name}'] == summary[name], name
        assert ours[f'lvis/{iou_type}_APr'] == float(f'{summary["AP_r"]:.3f}')
    assert 0.2 < ours['lvis/bbox_oLRP'] < 1 and ours['lvis/bbox_oLRP_r'] != ours['lvis/bbox_oLRP_f']
    with open(options['thresholds_file']) as file:
        content = json.load(file)
    assert content['max_dets'] == 300
    assert list(content['thresholds']) == [c['name'] for c in truth['categories']]


def test_fewer_classes_than_the_file(data):
    """Labels are those of the classes of the dataset."""
    truth, path, samples = data
    few = dict(truth, categories=truth['categories'][1:])
    for sample in samples:
        predictions = sample['pred_instances']
        kept = predictions['labels'] > 0
        sample['pred_instances'] = {key: value[kept] for key, value in predictions.items()}
        sample['pred_instances']['labels'] -= 1
    ours = evaluate(METRICS.build(dict(type='LVISLRPMetric', ann_file=path)), few, samples)
    ids = {c['id'] for c in few['categories']}
    few['annotations'] = [a for a in truth['annotations'] if a['category_id'] in ids]
    results = results_of(few, samples)
    assert ours['lvis/bbox_oLRP'] == evaluate_lrp(few, results).summary['oLRP']


def test_no_detections(data):
    truth, path, samples = data
    for sample in samples:
        predictions = sample['pred_instances']
        sample['pred_instances'] = {key: value[:0] for key, value in predictions.items()}
    ours = evaluate(METRICS.build(dict(type='LVISLRPMetric', ann_file=path)), truth, samples)
    assert (ours['lvis/bbox_AP'], ours['lvis/bbox_oLRP']) == (0, 1)


def test_names_are_known_to_the_checks_of_a_config():
    for kind in ('LVISMetric', 'LVISLRPMetric'):
        [metric] = metrics_of(ConfigDict(type=kind, metric=['bbox']), 'val_evaluator')
        assert {'bbox_AP', 'bbox_APr'} <= logged_names(metric)
        assert 'bbox_mAP' not in logged_names(metric)
