"""Shared by the tests of the evaluation: random data, and the values of pycocotools."""

import contextlib
import io
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import strategies as st

IMAGE_IDS = [12, 3, 7]  # not in order
CATEGORY_IDS = [5, 2]


def make_data(seed, num_objects, num_detections, grid=16, crowds=0.2, num_scores=5):
    """Ground truth and results. Boxes on a grid and few different scores give many ties."""
    rng = np.random.default_rng(seed)

    def box():
        size = rng.integers(1, 8, 2)
        corner = rng.integers(0, 3, 2)
        return (np.concatenate([corner, size]) * grid).astype(float).tolist()

    annotations = []
    for i in range(num_objects):
        bbox = box()
        annotations.append(
            dict(
                id=int(100 - i),
                image_id=int(rng.choice(IMAGE_IDS)),
                category_id=int(rng.choice(CATEGORY_IDS)),
                bbox=bbox,
                area=float(rng.choice([bbox[2] * bbox[3], 1024, 9216, 500.5])),
                iscrowd=int(rng.uniform() < crowds),
                ignore=int(rng.integers(0, 2)),
            )
        )
    results = []
    for _ in range(num_detections):
        bbox, image = box(), int(rng.choice(IMAGE_IDS))
        category = int(rng.choice(CATEGORY_IDS))
        if annotations and rng.uniform() < 0.6:  # near an object
            near = annotations[rng.integers(len(annotations))]
            image, category = near['image_id'], near['category_id']
            bbox = (np.array(near['bbox']) + rng.integers(-1, 2, 4) * grid / 8).tolist()
        score = float(rng.integers(0, num_scores) / num_scores)
        results.append(dict(image_id=image, category_id=category, bbox=bbox, score=score))
    return make_ground_truth(annotations), results


def make_ground_truth(annotations):
    return dict(
        images=[dict(id=i, width=64, height=48, file_name=f'{i}.jpg') for i in IMAGE_IDS],
        categories=[dict(id=i, name=f'kind {i}') for i in CATEGORY_IDS],
        annotations=annotations,
    )


@st.composite
def data_sets(draw):
    return make_data(
        seed=draw(st.integers(0, 2**32 - 1)),
        num_objects=draw(st.integers(0, 14)),
        num_detections=draw(st.integers(1, 24)),
        grid=draw(st.sampled_from([4, 16, 33])),
        crowds=draw(st.sampled_from([0, 0.3])),
        num_scores=draw(st.sampled_from([1, 3, 10**6])),
    )


def coco_eval(ground_truth, results, iou_type='bbox', max_dets=(1, 10, 100)):
    """pycocotools' COCOeval after evaluate, accumulate and summarize."""
    pytest.importorskip('pycocotools')
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = deepcopy(ground_truth)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(deepcopy(results)), iou_type)
        evaluation.params.maxDets = list(max_dets)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def assert_equals_pycocotools(evaluation, expected):
    np.testing.assert_allclose(evaluation.precision, expected.eval['precision'], atol=1e-12, rtol=0)
    np.testing.assert_allclose(evaluation.recall, expected.eval['recall'], atol=1e-12, rtol=0)
    ours = list(evaluation.summary.values())[:12]
    if 100 in evaluation.max_dets:  # otherwise pycocotools has no AP
        np.testing.assert_allclose(ours, expected.stats, atol=1e-12, rtol=0)
