"""Small random sets against pycocotools and against the definitions."""

import math
from copy import deepcopy

import lrp_reference as reference
import numpy as np
import pytest
from coco_helpers import IMAGE_IDS, assert_equals_pycocotools, coco_eval, data_sets, make_data
from hypothesis import given, settings
from hypothesis import strategies as st

from alrp.lrp import evaluate_lrp, lrp_curve, lrp_error


@settings(max_examples=60)
@given(data_sets(), st.sampled_from([(1, 10, 100), (1, 2, 100), (1, 2, 3)]))
def test_ap_equals_pycocotools(data, max_dets):
    """Crowds, ignored objects, equal scores and equal IoUs, more detections than the limit."""
    ground_truth, results = data
    expected = coco_eval(ground_truth, results, max_dets=max_dets)
    assert_equals_pycocotools(evaluate_lrp(ground_truth, results, max_dets=max_dets), expected)


@settings(max_examples=60)
@given(data_sets(), st.sampled_from([1, 3, 100]))
def test_matches_equal_pycocotools(data, limit):
    """Not only their numbers: every match, at each threshold and in each range of areas."""
    ground_truth, results = data
    expected = coco_eval(ground_truth, results, max_dets=(limit,) * 3)
    evaluation = evaluate_lrp(ground_truth, results, max_dets=(limit,))
    m = evaluation.matches
    # All detections of a class in one order: by score, then image, then input order.
    shape = 10, 4, len(m.score)
    true_positive, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    true_positive[..., m.rows] = m.true_positive[1:]
    ignored[..., m.rows] = m.ignored[1:]
    unmatched = ~true_positive & ~ignored
    ignored |= unmatched & ~m.in_range
    kept = m.rank < limit
    for k in range(2):
        mine = kept & (m.category == k)
        for a in range(4):
            images = expected.evalImgs[(k * 4 + a) * 3 :][:3]
            images = [e for e in images if e is not None]
            if not images:
                assert not mine.any()
                continue
            scores = np.concatenate([e['dtScores'] for e in images])
            order = np.argsort(-scores, kind='stable')
            np.testing.assert_array_equal(m.score[mine], scores[order])
            theirs_ignored = np.concatenate([e['dtIgnore'] for e in images], axis=1)[:, order]
            theirs_matched = np.concatenate([e['dtMatches'] for e in images], axis=1)[:, order]
            np.testing.assert_array_equal(ignored[:, a, mine], theirs_ignored)
            np.testing.assert_array_equal(
                true_positive[:, a, mine], (theirs_matched > 0) & ~theirs_ignored.astype(bool)
            )
            counting = sum((np.array(e['gtIgnore']) == 0).sum() for e in images)
            assert m.num_objects[k, a] == counting


@settings(max_examples=40)
@given(data_sets(), st.sampled_from([1, 3, 100]))
def test_lrp_equals_definition(data, limit):
    ground_truth, results = data
    evaluation = evaluate_lrp(ground_truth, results, max_dets=(1, 3, 100))
    for k, category in enumerate(evaluation.category_ids):
        detections = reference.ranked(results, category, limit)
        objects = [o for o in ground_truth['annotations'] if o['category_id'] == category]
        for a, area in enumerate(evaluation.areas):
            olrp, *rest = (values[k, a] for values in evaluation.lrp[limit])
            least, equally_good = reference.optimal_lrp(detections, objects, area)
            assert olrp == pytest.approx(least, abs=1e-12)
            if least == -1:
                assert rest == [-1] * 4
            elif not equally_good:
                assert rest[2] == 1
                assert np.isnan([rest[0], rest[1], rest[3]]).all()
            else:  # several if the threshold is ambiguous, all with the same LRP error
                assert any(np.allclose(rest, x, rtol=0, atol=1e-12) for x in equally_good)


@settings(max_examples=40)
@given(data_sets(), st.floats(0, 1))
def test_lrp_at_any_threshold_equals_definition(data, threshold):
    ground_truth, results = data
    evaluation = evaluate_lrp(ground_truth, results)
    for category in evaluation.category_ids:
        objects = [o for o in ground_truth['annotations'] if o['category_id'] == category]
        kept = [r for r in results if r['score'] >= threshold]
        for area in evaluation.areas:
            found, num_objects = reference.outcomes(
                reference.ranked(kept, category, 100), objects, area, 0.5
            )
            curve = evaluation.curve(category, area)
            assert curve.num_objects == num_objects
            expected = reference.lrp(found, num_objects)
            np.testing.assert_allclose(curve.at(threshold), expected, rtol=0, atol=1e-12)


@given(
    st.lists(st.floats(0.5, 1), max_size=20),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_error_of_a_set_equals_definition(ious, num_fp, num_fn):
    ours = lrp_error(ious, num_fp, num_fn)
    expected = reference.lrp([*ious, *['fp'] * num_fp], len(ious) + num_fn)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    if ious or num_fp or num_fn:
        assert 0 <= ours.error <= 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.sampled_from([0.3, 0.5, 0.75]))
def test_curve_equals_error_of_each_set(seed, count, tau):
    rng = np.random.default_rng(seed)
    scores, ious = rng.permutation(count) / count, rng.uniform(size=count)
    num_objects = int((ious >= tau).sum()) + 3
    curve = lrp_curve(scores, ious, num_objects, tau)
    order = np.argsort(-scores)
    np.testing.assert_array_equal(curve.score, scores[order])
    for n in range(1, count + 1):
        hits = [iou for iou in ious[order[:n]] if iou >= tau]
        expected = lrp_error(hits, n - len(hits), num_objects - len(hits), tau)
        np.testing.assert_allclose([x[n - 1] for x in curve.error], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(curve.at(scores[order[n - 1]]), expected, rtol=0, atol=1e-12)


@settings(max_examples=20)
@given(data_sets(), st.randoms(use_true_random=False))
def test_order_of_images_and_of_results_of_other_images_does_not_matter(data, random):
    ground_truth, results = data
    images = list(IMAGE_IDS)
    random.shuffle(images)
    moved = deepcopy(ground_truth)
    moved['images'].sort(key=lambda image: images.index(image['id']))
    moved_results = sorted(results, key=lambda r: images.index(r['image_id']))
    assert evaluate_lrp(moved, moved_results).to_dict() == evaluate_lrp(*data).to_dict()


def test_input_is_not_changed():
    ground_truth, results = make_data(0, 10, 20)
    copies = deepcopy((ground_truth, results))
    evaluate_lrp(ground_truth, results)
    assert (ground_truth, results) == copies


def test_many_thresholds_give_the_values_of_each_alone():
    """More settings than an integer has bits."""
    ground_truth, results = make_data(1, 14, 60, num_scores=10**6)
    many = np.linspace(0.05, 1, 39)
    evaluation = evaluate_lrp(ground_truth, results, iou_thresholds=many)
    for t, threshold in enumerate(many):
        alone = evaluate_lrp(ground_truth, results, iou_thresholds=[threshold])
        np.testing.assert_array_equal(evaluation.precision[t], alone.precision[0])
        np.testing.assert_array_equal(evaluation.recall[t], alone.recall[0])
        np.testing.assert_array_equal(evaluation.olrp, alone.olrp)
    assert math.isclose(evaluation.summary['AP'], evaluation.precision[..., 0, -1].mean())
