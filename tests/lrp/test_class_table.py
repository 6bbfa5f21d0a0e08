"""The class table, the file of thresholds, and the content of the report."""

import json

import numpy as np
import pytest
from coco_helpers import make_data

from alrp.lrp import evaluate_lrp, lrp_curve
from alrp.lrp.class_table import class_table, thresholds_json
from alrp.lrp.evaluate import STEPS
from alrp.lrp.report.content import classes, error_parts, rounded, thin


@pytest.fixture
def data():
    """Categories listed as 9, 5, 2. Category 9 has neither objects nor detections."""
    ground_truth, results = make_data(1, 14, 60, num_scores=10**6)
    ground_truth['categories'].insert(0, dict(id=9, name='kind 9'))
    return ground_truth, results


def test_means_of_rows_are_the_summary(data):
    evaluation = evaluate_lrp(*data)
    rows = class_table(evaluation)
    assert [(row['id'], row['class']) for row in rows] == [(i, f'kind {i}') for i in (2, 5, 9)]
    for name in ('AP', 'AP50', 'AP75', 'AP_s', 'AP_m', 'oLRP', 'oLRP_loc', 'oLRP_fn', 'oLRP_m'):
        values = [row[name] for row in rows]
        assert np.nanmean(values) == pytest.approx(evaluation.summary[name], abs=1e-12), name
    assert [row['threshold'] for row in rows[:2]] == evaluation.lrp_opt_thr[:2, 0].tolist()
    assert all(np.isnan(rows[2][name]) for name in ('AP', 'oLRP', 'oLRP_loc', 'threshold'))
    counting = [a['category_id'] for a in data[0]['annotations'] if not a['iscrowd']]
    assert [row['objects'] for row in rows] == [counting.count(i) for i in (2, 5, 9)]
    found = [r['category_id'] for r in data[1]]
    assert [row['detections'] for row in rows] == [found.count(i) for i in (2, 5, 9)]


def test_lrp_at_a_lower_limit_on_detections(data):
    evaluation = evaluate_lrp(*data, max_dets=(1, 100))
    ones, alls = class_table(evaluation, 1), class_table(evaluation)
    assert [row['oLRP'] for row in ones[:2]] == evaluation.lrp[1].olrp[:2, 0].tolist()
    assert [row['oLRP'] for row in alls[:2]] == evaluation.olrp[:2, 0].tolist()
    assert ones[0]['oLRP'] != alls[0]['oLRP'] and ones[0]['AP'] == alls[0]['AP']
    assert json.loads(thresholds_json(evaluation, None, 1))['max_dets'] == 1


def test_thresholds_are_in_the_order_of_labels(data):
    evaluation = evaluate_lrp(*data)
    content = json.loads(thresholds_json(evaluation, 'truth.json'))
    listed = [category['name'] for category in data[0]['categories']]
    assert list(content['thresholds']) == listed != sorted(listed)
    assert content['thresholds']['kind 9'] is None
    assert content['thresholds']['kind 5'] == evaluation.lrp_opt_thr[1, 0]
    assert content['ann_file'] == 'truth.json' and content['num_images'] == 3


def test_thresholds_need_unique_class_names(data):
    data[0]['categories'][1]['name'] = 'kind 2'
    with pytest.raises(ValueError, match=r"2 classes.*'kind 2'"):
        thresholds_json(evaluate_lrp(*data), None)


def test_steps_are_reported_in_order(data):
    reported = []
    evaluate_lrp(*data, on_step=reported.append)
    assert tuple(reported) == STEPS


def test_parts_of_the_error_add_up(data):
    rows = class_table(evaluate_lrp(*data))
    for row in rows[:2]:
        assert sum(error_parts(row)) == pytest.approx(row['oLRP'], abs=1e-12)
    assert min(error_parts(rows[0])) > 0.1  # localisation, false positives, missed objects
    assert np.isnan(error_parts(rows[2])).all()
    nothing = class_table(evaluate_lrp(data[0], []))[0]
    assert error_parts(nothing) == [0, 0, 1]


@pytest.mark.parametrize('num_scores', [1, 3, 10**6])
def test_thinned_curves_keep_the_optimum_and_are_exact(num_scores):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, num_scores, 5000) / num_scores
    ious = np.where(rng.uniform(size=5000) < 0.3 * (scores + 0.2), rng.uniform(0.5, 1, 5000), 0)
    curve = lrp_curve(scores, ious, 1200)
    kept, optimum = thin(curve, 50), curve.optimum()
    assert len(kept['score']) <= 52
    points = list(zip(*kept.values()))
    assert (optimum.lrp_opt_thr, *optimum[:4]) in points
    whole = set(zip(curve.score, *curve.error))
    assert {p for p in points if p[2] == p[2]} <= whole
    assert kept['score'] == sorted(kept['score'], reverse=True)
    assert kept['score'][-1] == curve.score[-1]
    if num_scores > 3:
        assert len(kept['score']) >= 50
        assert -np.diff(kept['score']).min() < 0.05


def test_curves_without_detections_or_objects():
    assert thin(lrp_curve([], [], 3))['error'] == []
    assert thin(lrp_curve([0.5], [0], 0))['score'] == [0.5]


def test_report_has_the_worst_first_and_undefined_last(data):
    rows = classes([evaluate_lrp(*data), evaluate_lrp(data[0], [])])
    assert rows[0]['oLRP'] >= rows[1]['oLRP'] and rows[2]['class'] == 'kind 9'
    olrp = rows[0]['oLRP']
    assert rows[0]['compared'] == dict(values=[olrp, 1.0], difference=1.0 - olrp)


def test_numbers_are_rounded_for_json():
    content = dict(a=[0.123456789, float('nan')], b=3, c='x', d=(1e-7 / 3,))
    assert rounded(content) == dict(a=[0.12346, None], b=3, c='x', d=[3.3333e-08])
