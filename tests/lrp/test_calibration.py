"""Calibration errors against the definitions, and properties of fitted curves."""

import json
import math
from dataclasses import replace

import calibration_reference as reference
import numpy as np
import pytest
import task_reference
from coco_helpers import data_sets, make_data
from hypothesis import given, settings
from hypothesis import strategies as st
from task_data import lvis_data

from alrp.lrp import evaluate_lrp
from alrp.lrp.calibration import (
    METHODS,
    Calibration,
    CalibrationError,
    ScoreCurve,
    calibration_errors,
    fit_calibration,
    match_scores,
    read_calibration,
)

pytestmark = pytest.mark.filterwarnings('ignore:fewer than', 'ignore:.*far beyond their image')


@settings(max_examples=40)
@given(data_sets(), st.sampled_from([1, 3, 100]))
def test_errors_equal_the_definitions(data, max_dets):
    truth, results = data
    found = match_scores(truth, results, max_dets=max_dets)
    for k, category in enumerate([2, 5]):
        pairs, num_objects = reference.matched(truth, results, category, max_dets)
        scores, ious = found.of_category(k)
        assert scores.tolist() == [score for score, _ in pairs]
        np.testing.assert_allclose(ious, [iou for _, iou in pairs], atol=1e-12)
        assert found.num_objects[k] == num_objects
    expected = reference.summary(truth, results, max_dets)
    evaluation = evaluate_lrp(truth, results, max_dets=[max_dets], calibration=True)
    assert {x: evaluation.summary[x] for x in expected} == pytest.approx(expected, abs=1e-12)
    assert calibration_errors(found).summary == pytest.approx(expected, abs=1e-12)


def test_without_being_asked_there_are_no_calibration_errors():
    evaluation = evaluate_lrp(*make_data(0, 9, 20))
    assert evaluation.calibration is None and 'LaECE_0' not in evaluation.summary


@settings(max_examples=40)
@given(data_sets(), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.integers(1, 30))
def test_given_thresholds_and_bins(data, thresholds, num_bins):
    truth, results = data
    found = calibration_errors(match_scores(truth, results), np.array(thresholds), num_bins)
    for k, category in enumerate([2, 5]):
        pairs, num_objects = reference.matched(truth, results, category)
        expected = (math.nan, math.nan)
        if num_objects:
            expected = reference.errors(pairs, thresholds[k], num_bins)
        assert (found.laece[k], found.laace[k]) == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert found.count[k].sum() == sum(score >= thresholds[k] for score, _ in pairs)


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('limit', [5, 300])
def test_lvis_equals_the_definition(seed, limit):
    truth, results = lvis_data(seed, num_scores=10**6)
    found = match_scores(truth, results, max_dets=limit)
    rules = task_reference.Lvis(truth, results, limit)
    images = sorted(image['id'] for image in truth['images'])
    for k, category in enumerate(sorted(c['id'] for c in truth['categories'])):
        outcomes, count = task_reference.outcomes(
            rules, category, images, 'all', reference.ANY_OVERLAP, limit
        )
        pairs = [(score, 0 if x == 'fp' else x) for score, x in outcomes if x != 'ignored']
        scores, ious = found.of_category(k)
        assert found.num_objects[k] == count
        assert scores.tolist() == [score for score, _ in pairs]
        np.testing.assert_allclose(ious, [iou for _, iou in pairs], atol=1e-12)


def one_class(scores, ious, num_objects=10**4):
    """Detections of one class, each with an object, or far from all."""
    found = match_scores(*make_data(0, 1, 1))
    n = len(scores)
    order = np.argsort(-np.array(scores), kind='stable')
    return replace(
        found,
        names=['only'],
        labels=['only'],
        category=np.zeros(n, np.int64),
        image=np.zeros(n, np.int64),
        score=np.array(scores, float)[order],
        iou=np.array(ious, float)[order],
        object_category=np.zeros(num_objects, np.int64),
        object_image=np.zeros(num_objects, np.int64),
    )


def test_hand_computed_errors():
    found = one_class([0.0, 0.04, 0.05, 1.0], [0.5, 0.0, 0.25, 0.5])
    errors = calibration_errors(found, np.zeros(1))
    # (0.0, 0.04] has two: |0.02 - 0.25|. The others are on their own: 0.2 and 0.5.
    assert errors.count[0, [0, 1, 24]].tolist() == [2, 1, 1]
    assert errors.laece[0] == pytest.approx((2 * 0.23 + 0.2 + 0.5) / 4)
    assert errors.laace[0] == pytest.approx((0.5 + 0.04 + 0.2 + 0.5) / 4)
    assert errors.mean_iou[0, 0] == 0.25 and math.isnan(errors.mean_iou[0, 2])


def test_distant_boxes_do_not_match():
    """pycocotools would match them at a threshold of 0."""
    truth, _ = make_data(0, 1, 1, crowds=0)
    [a] = truth['annotations']
    box = [a['bbox'][0] + a['bbox'][2], *a['bbox'][1:]]  # touches it
    entry = dict(image_id=a['image_id'], category_id=a['category_id'], score=0.5, bbox=box)
    found = match_scores(truth, [entry])
    assert found.iou.tolist() == [0] and np.isnan(found.optimal_thresholds()).all()
    assert calibration_errors(found).summary == dict(LaECE_0=-1, LaACE_0=-1)


@pytest.mark.parametrize('method', METHODS)
@settings(max_examples=20, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(
            st.one_of(st.floats(0, 1, width=32), st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=40,
    ),
    new=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20),
)
def test_the_order_never_changes(method, pairs, new):
    scores, ious = zip(*pairs)
    [curve] = fit_calibration(
        one_class(scores, ious), method, min_detections=1, thresholds=np.zeros(1)
    ).curves.values()
    x = np.unique(new)
    y = curve(x)
    assert ((y >= 0) & (y <= 1)).all() and (np.diff(y) >= 0).all()
    apart = np.diff(x) > 1e-9
    assert (np.diff(y)[apart] > 0).all()
    assert (curve([-1.0, 0.0]) == curve(0.0)).all() and (curve([1.0, 2.0]) == curve(1.0)).all()


def test_isotonic_equals_the_mean_iou_of_merged_scores():
    """By hand: 0.6 and 0.2 are out of order, so both get their mean."""
    found = one_class([0.2, 0.4, 0.6, 0.8], [0.1, 0.6, 0.2, 0.9])
    [curve] = fit_calibration(found, min_detections=1, thresholds=np.zeros(1)).curves.values()
    assert curve([0.2, 0.4, 0.6, 0.8]) == pytest.approx([0.1, 0.4, 0.4, 0.9], abs=1e-4)
    assert curve([0.0, 0.1, 0.3, 1.0]) == pytest.approx([0.0, 0.05, 0.25, 0.9], abs=2e-4)
    assert curve(0.6) > curve(0.4)


def test_platt_recovers_a_sigmoid():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.99, 20000)
    expected = 1 / (1 + np.exp(-(0.7 * np.log(scores / (1 - scores)) + 0.4)))
    found = one_class(scores, np.clip(expected + rng.uniform(-0.01, 0.01, 20000), 0, 1))
    [curve] = fit_calibration(found, 'platt', thresholds=np.zeros(1)).curves.values()
    np.testing.assert_allclose(curve(scores), expected, atol=3e-3)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('seed', range(3))
def test_ap_and_lrp_do_not_change(method, seed):
    truth, results = make_data(seed, 30, 200, grid=8, num_scores=10**6)
    calibration = fit_calibration(match_scores(truth, results), method)
    names = {c['id']: c['name'] for c in truth['categories']}
    after = [
        dict(r, score=float(calibration.curves[names[r['category_id']]](r['score'])))
        for r in results
    ]
    assert len({r['score'] for r in after}) == len({r['score'] for r in results})
    first, second = evaluate_lrp(truth, results), evaluate_lrp(truth, after)
    np.testing.assert_allclose(first.precision, second.precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(first.olrp, second.olrp, rtol=0, atol=1e-12)


def test_calibrated_scores_are_better_on_other_images():
    """Scores that are too high by a factor."""
    rng = np.random.default_rng(0)
    n = 4000
    found = one_class(rng.uniform(0.1, 1, n), np.zeros(n))
    quality = np.clip(found.score * rng.uniform(0.2, 0.6, n), 0, 1)
    image = rng.integers(0, 10, n)
    objects = np.arange(len(found.object_image)) % 10
    found = replace(found, iou=quality, image=image, num_images=10, object_image=objects)
    first = np.arange(10) < 5
    fit, test = found.in_images(first), found.in_images(~first)
    assert len(fit.score) + len(test.score) == n
    calibration = fit_calibration(fit, thresholds=np.zeros(1))
    before = calibration_errors(test, np.zeros(1)).laece[0]
    calibrated = calibration.apply(test.score, test.category, test.names)
    after = calibration_errors(replace(test, score=calibrated), np.zeros(1)).laece[0]
    assert before > 0.25 and after < 0.03


def test_rare_classes_share_a_curve():
    truth, results = make_data(0, 30, 100, grid=4, num_scores=10**6)
    results = [r for r in results if r['category_id'] == 5] + [
        r for r in results if r['category_id'] == 2
    ][:2]
    found = match_scores(truth, results)
    with pytest.warns(UserWarning, match=r'fewer than 10 .*kind 2.* all classes') as caught:
        calibration = fit_calibration(found, min_detections=10, thresholds=np.zeros(2))
    assert 'kind 5' not in str(caught[0].message)
    assert calibration.pooled == ('kind 2',)
    together = one_class(found.score, found.iou)
    [pooled] = fit_calibration(together, thresholds=np.zeros(1)).curves.values()
    x = np.linspace(0, 1, 50)
    np.testing.assert_array_equal(calibration.curves['kind 2'](x), pooled(x))
    assert not np.array_equal(calibration.curves['kind 5'](x), pooled(x))


def test_a_file_is_read_as_it_was_written(tmp_path):
    truth, results = make_data(3, 30, 100, grid=4, num_scores=10**6)
    truth['categories'][0]['name'] = 'ké "é"'
    written = fit_calibration(match_scores(truth, results), min_detections=10**6)
    path = tmp_path / 'calibration.json'
    path.write_text(written.to_json(), encoding='utf-8')
    read = read_calibration(path)
    assert list(read.curves) == [c['name'] for c in truth['categories']]
    assert (read.pooled, read.about) == (written.pooled, written.about)
    for name, curve in written.curves.items():
        np.testing.assert_array_equal(read.curves[name].scores, curve.scores)
        np.testing.assert_array_equal(read.curves[name].calibrated, curve.calibrated)


GOOD = dict(scores=[0, 1], calibrated=[0.1, 0.9])


@pytest.mark.parametrize(
    'content, message',
    [
        ('{', 'not valid JSON'),
        ([], 'object "calibration"'),
        (dict(thresholds=dict(cat=0.5)), 'object "calibration".*alrp calibrate'),
        (dict(version=2, calibration=dict(cat=GOOD)), 'version 2.* 1'),
        (dict(version=1, calibration=dict(cat=3)), "class cat.*'scores'"),
        (dict(version=1, calibration=dict(cat=dict(scores=[0, 1]))), "class cat.*'calibrated'"),
        (dict(version=1, calibration=dict(cat=dict(GOOD, scores=[0, 'a']))), "cat.*'scores'"),
        (dict(version=1, calibration=dict(cat=dict(GOOD, scores=[0, 0.5, 1]))), 'cat.* 3 and 2'),
        (dict(version=1, calibration=dict(cat=dict(GOOD, scores=[0.5, 1]))), 'cat.* 0.5 to 1'),
        (dict(version=1, calibration=dict(cat=dict(GOOD, calibrated=[0.5, 0.5]))), 'cat.*rise'),
        (dict(version=1, calibration=dict(cat=dict(GOOD, calibrated=[0.5, 2]))), r'cat.*got 2\.0'),
        (
            '{"version": 1, "calibration": {"cat": {"scores": [0, NaN], "calibrated": [0, 1]}}}',
            'nan',
        ),
        (dict(version=1, calibration=dict(cat=dict(GOOD, scores=[0, 10**400]))), "cat.*'scores'"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / 'calibration.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CalibrationError, match=message) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)


def test_other_classes():
    curve = ScoreCurve(np.array([0.0, 1]), np.array([0.0, 1]))
    calibration = Calibration(dict(dog=curve, cat=curve))
    assert list(calibration.for_classes(['cat', 'dog']).curves) == ['cat', 'dog']
    with pytest.raises(CalibrationError, match=r'c\.json.*no curve .*bird.*no class .*cat'):
        calibration.for_classes(['dog', 'bird'], 'c.json')


def test_bad_input():
    truth, results = make_data(0, 9, 20)
    with pytest.raises(ValueError, match=r'results\[3\].* 1\.5'):
        match_scores(truth, [dict(r, score=1.5 if i == 3 else 0.5) for i, r in enumerate(results)])
    with pytest.raises(ValueError, match=r'isotonic, platt.*beta'):
        fit_calibration(match_scores(truth, results), 'beta')
    with pytest.raises(CalibrationError, match='nothing to fit'):
        fit_calibration(match_scores(truth, []))
    person = dict(truth['annotations'][0], keypoints=[1, 1, 2], num_keypoints=1)
    people = dict(truth, annotations=[person])
    with pytest.raises(ValueError, match='not for keypoints'):
        evaluate_lrp(people, [], 'keypoints', sigmas=[0.1], calibration=True)
    for category in truth['categories']:
        category['name'] = 'same'
    with pytest.raises(CalibrationError, match="2 classes are called 'same'"):
        fit_calibration(match_scores(truth, results))
