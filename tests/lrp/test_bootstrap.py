"""The paired bootstrap against evaluations of data sets whose images are really repeated."""

import numpy as np
import pytest
from coco_helpers import make_data
from hypothesis import given, settings
from hypothesis import strategies as st
from task_data import keypoint_data, lvis_data

from alrp.lrp import evaluate_lrp
from alrp.lrp.bootstrap import Difference, compare
from alrp.lrp.resampling import ResampledEvaluation


def unique_scores(results, seed=0):
    scores = np.random.default_rng(seed).permutation(len(results)) / (len(results) + 1)
    return [dict(r, score=float(s)) for r, s in zip(results, scores)]


def resampled(ground_truth, results, weights):
    """Each image as often as its weight, copies next to it, all ids new."""
    images, annotations, detections = [], [], []
    for image, weight in zip(sorted(ground_truth['images'], key=lambda i: i['id']), weights):
        for _ in range(weight):
            number = len(images) + 1
            images.append(dict(image, id=number))
            for a in ground_truth['annotations']:
                if a['image_id'] == image['id']:
                    annotations.append(dict(a, id=len(annotations) + 1, image_id=number))
            for r in results:
                if r['image_id'] == image['id']:
                    detections.append(dict(r, image_id=number))
    return dict(ground_truth, images=images, annotations=annotations), detections


def assert_equals_evaluation(data, weights, **options):
    ours = ResampledEvaluation(evaluate_lrp(*data, **options)).summary(np.array(weights))
    expected = evaluate_lrp(*resampled(*data, weights), **options).summary
    assert {'AP', 'AP50', 'AP75', 'oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn'} <= set(ours)
    for name, value in ours.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


WEIGHTS = st.lists(st.integers(0, 5), min_size=3, max_size=3)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    WEIGHTS,
    st.sampled_from([(1, 10, 100), (1, 2, 150), (2,)]),
    st.sampled_from([4, 16]),
)
def test_weights_equal_copies_of_images(seed, weights, max_dets, grid):
    truth, results = make_data(seed, 14, 40, grid=grid, crowds=0.3)
    for r in results:  # no localisation error of exactly 1, where several thresholds are optimal
        r['bbox'][2] += 0.37
    assert_equals_evaluation((truth, unique_scores(results)), weights, max_dets=max_dets)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), WEIGHTS)
def test_weights_equal_copies_of_images_for_lvis(seed, weights):
    """With groups of classes, ignored detections in range, and a limit for the whole image."""
    truth, results = lvis_data(seed)
    for r in results:
        r['bbox'][2] += 0.37 if r['bbox'][2] > 0 else 0
    assert_equals_evaluation((truth, unique_scores(results)), weights, max_dets=(8,))


def test_weights_equal_copies_of_images_for_keypoints():
    truth, results = keypoint_data(3)
    data = truth, unique_scores(results)
    for weights in ([1, 1, 1], [0, 3, 1], [4, 0, 0]):
        assert_equals_evaluation(data, weights, iou_type='keypoints')


def test_weights_of_one_are_the_evaluation_itself():
    evaluation = evaluate_lrp(*make_data(2, 14, 60))  # with equal scores
    for name, value in ResampledEvaluation(evaluation).summary(np.ones(3, int)).items():
        assert value == pytest.approx(evaluation.summary[name], abs=1e-12), name


def many_images(num_images=60, seed=0):
    """One object per image."""
    rng = np.random.default_rng(seed)
    truth = dict(
        images=[dict(id=i + 1, width=64, height=64) for i in range(num_images)],
        categories=[dict(id=1, name='thing')],
        annotations=[
            dict(id=i + 1, image_id=i + 1, category_id=1, bbox=[5, 5, 20, 20], area=400)
            for i in range(num_images)
        ],
    )

    def detections(shift):
        shifts = rng.uniform(0, shift, num_images)
        return [
            dict(image_id=i + 1, category_id=1, bbox=[5 + s, 5, 20, 20], score=rng.uniform())
            for i, s in enumerate(shifts)
        ]

    return truth, detections(2), detections(5)


def test_a_better_detector_is_found():
    truth, good, bad = many_images()
    first, second = evaluate_lrp(truth, bad), evaluate_lrp(truth, good)
    found = compare(first, second, 100)
    for name, sign in dict(AP=1, AP75=1, oLRP=-1, oLRP_loc=-1).items():
        difference = found[name]
        assert difference.value == second.summary[name] - first.summary[name]
        assert difference.low < difference.value < difference.high
        assert sign * difference.low > 0 and sign * difference.high > 0
        assert difference.better > 0.975
    assert found['oLRP_fn'] == Difference(0, 0, 0, better=0, equal=1)
    back = compare(second, first, 100)
    assert back['oLRP'].low == pytest.approx(-found['oLRP'].high, abs=1e-12)
    assert back['oLRP'].better == 1 - found['oLRP'].better


def test_interval_is_that_of_the_mean():
    """oLRP_loc of one TP per image is a mean over images, whose interval is known."""
    truth, good, bad = many_images(200)
    first, second = evaluate_lrp(truth, bad), evaluate_lrp(truth, good)
    difference = compare(first, second, 600)['oLRP_loc']
    ious = []
    for evaluation in (first, second):
        m = evaluation.matches
        ious.append(m.iou[0][np.argsort(m.image[m.rows])])
    error = (ious[0] - ious[1]).std(ddof=1) / np.sqrt(200)
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * error, rel=0.12)


def test_seeds():
    truth, good, bad = many_images()
    pair = evaluate_lrp(truth, bad), evaluate_lrp(truth, good)
    assert compare(*pair, 20, seed=1) == compare(*pair, 20, seed=1) != compare(*pair, 20, seed=2)


def test_nothing_to_compare():
    truth = dict(many_images()[0], annotations=[])
    evaluation = evaluate_lrp(truth, [])
    assert all(
        np.isnan(d.value) and np.isnan(d.low) for d in compare(evaluation, evaluation, 3).values()
    )
    empty = evaluate_lrp(dict(images=[], categories=[], annotations=[]), [])
    assert np.isnan(compare(empty, empty, 3)['AP'].value)


def test_evaluations_must_match():
    truth, good, _ = many_images()
    one = evaluate_lrp(truth, good)
    fewer = dict(truth, annotations=truth['annotations'][1:])
    for other in (evaluate_lrp(fewer, good), evaluate_lrp(truth, good, max_dets=(1,))):
        with pytest.raises(ValueError, match='max_dets'):
            compare(one, other)
    with pytest.raises(ValueError, match=r'num_resamples.*0'):
        compare(one, one, 0)
