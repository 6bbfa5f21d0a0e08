"""Data sets as the dicts of torchvision, and evaluations that must be equal."""

import numpy as np


def as_format(boxes, box_format):
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    if box_format == 'xyxy':
        boxes[:, 2:] += boxes[:, :2]
    if box_format == 'cxcywh':
        boxes[:, :2] += boxes[:, 2:] / 2
    return boxes


def to_dicts(ground_truth, results, box_format='xywh', image_ids=True):
    """Predictions and targets of each image, by ascending id."""
    predictions, targets = [], []
    for image_id in sorted(image['id'] for image in ground_truth['images']):
        mine = [r for r in results if r['image_id'] == image_id]
        theirs = [a for a in ground_truth['annotations'] if a['image_id'] == image_id]
        predictions.append(
            dict(
                boxes=as_format([r['bbox'] for r in mine], box_format),
                scores=np.array([r['score'] for r in mine]),
                labels=np.array([r['category_id'] for r in mine]),
            )
        )
        targets.append(
            dict(
                boxes=as_format([a['bbox'] for a in theirs], box_format),
                labels=np.array([a['category_id'] for a in theirs]),
                area=np.array([a['area'] for a in theirs]),
                iscrowd=np.array([a['iscrowd'] for a in theirs]),
                **(dict(image_id=image_id) if image_ids else {}),
            )
        )
    return predictions, targets


def of_same_categories(ground_truth, results):
    """Only categories that occur, as in a metric without ``classes``."""
    used = {x['category_id'] for x in [*ground_truth['annotations'], *results]}
    kept = [c for c in ground_truth['categories'] if c['id'] in used]
    return {**ground_truth, 'categories': kept}, results


def assert_same(ours, expected):
    assert ours.summary == expected.summary
    assert ours.category_ids == expected.category_ids
    assert ours.num_images == expected.num_images
    for name in ('precision', 'recall'):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))
    for limit, values in expected.lrp.items():
        np.testing.assert_array_equal(ours.lrp[limit], values)
    for name in ('category', 'score', 'rank', 'in_range', 'rows', 'true_positive', 'iou'):
        mine, theirs = getattr(ours.matches, name), getattr(expected.matches, name)
        np.testing.assert_array_equal(mine, theirs)
