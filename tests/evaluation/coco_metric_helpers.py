"""A small data set with masks, what a detector passes to a metric, and the metric's values."""

import contextlib
import io
import json
from collections import defaultdict
from copy import deepcopy

import numpy as np
import torch
from coco_helpers import make_data
from mmdet.registry import METRICS
from pycocotools import mask as coco_mask

import alrp_mmdet  # noqa: F401 - registers

WIDTH, HEIGHT = 64, 48
CLASSES = ('kind 2', 'kind 5', 'kind 9')  # the last one has no object
LRP_NAMES = ['oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn', 'oLRP_s', 'oLRP_m', 'oLRP_l']


def pixels_of(box):
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8, order='F')
    x, y, w, h = (max(int(v), 0) for v in box)
    pixels[y : y + h, x : x + w] = 1
    return pixels


def make_files(tmp_path, seed, num_detections=40):
    """Ground truth and results with masks, and the path of the ground truth."""
    truth, results = make_data(seed, 16, num_detections, grid=4, num_scores=16)
    truth['categories'] = [dict(id=i, name=f'kind {i}') for i in (2, 5, 9)]
    for result in results[:3]:
        result['category_id'] = 9
    for annotation in truth['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['area'] = float(np.random.default_rng(annotation['id']).choice([9.0, 2e3, 1e4]))
        annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    for result in results:
        rle = coco_mask.encode(pixels_of(result['bbox']))
        result['segmentation'] = dict(rle, counts=rle['counts'].decode())
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth))
    return truth, results, str(path)


def make_samples(truth, results, category_ids=(2, 5, 9), masks=True):
    """What a detector passes to a metric: one sample per image, with labels for categories."""
    by_image = defaultdict(list)
    for result in results:
        if result['category_id'] in category_ids:
            by_image[result['image_id']].append(result)
    samples = []
    for image in truth['images']:
        mine = by_image[image['id']]
        boxes = torch.tensor([r['bbox'] for r in mine]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [category_ids.index(r['category_id']) for r in mine]
        predictions = dict(
            bboxes=boxes,
            scores=torch.tensor([r['score'] for r in mine], dtype=torch.float32),
            labels=torch.tensor(labels, dtype=torch.long),
        )
        if masks:
            pixels = np.array([pixels_of(r['bbox']) for r in mine], dtype=bool)
            predictions['masks'] = torch.from_numpy(pixels.reshape(-1, HEIGHT, WIDTH))
        samples.append(
            dict(img_id=image['id'], ori_shape=(HEIGHT, WIDTH), pred_instances=predictions)
        )
    return samples


def add_objects(samples, truth):
    """Add ground truth to the samples, which replaces an annotation file."""
    for sample in samples:
        sample['instances'] = [
            dict(
                bbox=[x, y, x + w, y + h],
                bbox_label=[2, 5, 9].index(a['category_id']),
                ignore_flag=a['iscrowd'],
                mask=coco_mask.encode(pixels_of(a['bbox'])),
            )
            for a in truth['annotations']
            if a['image_id'] == sample['img_id']
            for x, y, w, h in [a['bbox']]
        ]


def evaluate(metric, samples, classes=CLASSES, times=1):
    if isinstance(metric, dict):
        metric = METRICS.build(dict(dict(type='CocoLRPMetric'), **metric))
    metric.dataset_meta = dict(classes=classes)
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(times):
            metric.process({}, deepcopy(samples))
            numbers = metric.evaluate(len(samples))
    return numbers


def assert_same(ours, theirs):
    """Our values include theirs, in the same order, equal to the last digit."""
    assert [name for name in ours if name in theirs] == list(theirs)
    np.testing.assert_array_equal([ours[name] for name in theirs], list(theirs.values()))


def lrp_numbers(evaluation, metric='bbox'):
    return {f'coco/{metric}_{name}': evaluation.summary[name] for name in LRP_NAMES}


def without_lrp(numbers):
    return {name: value for name, value in numbers.items() if 'oLRP' not in name}
