"""Keypoints and LVIS: published values, and random data against the definitions."""

import gzip
import json
import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import task_reference as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from task_data import keypoint_data, lvis_data

from alrp.lrp import evaluate_lrp
from alrp.lrp.sigmas import KNOWN
from alrp.lrp.tasks import TASKS

GOLDEN = Path(__file__).parents[3] / 'shared' / 'golden'
FILES = dict(keypoints='lrp_keypoints', lvis='lrp_lvis')
CASES = {  # evaluation: folder, ground truth, results, without bbox, iou_type
    'keypoints': ('lrp_keypoints', 'gt', 'dt', False, 'keypoints'),
    'keypoints_without_bbox': ('lrp_keypoints', 'gt', 'dt', True, 'keypoints'),
    'crowdpose': ('lrp_keypoints', 'gt_crowdpose', 'dt_crowdpose', False, 'keypoints'),
    'bbox': ('lrp_lvis', 'gt', 'dt', False, 'bbox'),
    'segm': ('lrp_lvis', 'gt', 'dt', False, 'segm'),
    'segm_without_bbox': ('lrp_lvis', 'gt', 'dt', True, 'segm'),
}
COPY = Path(__file__).parents[1] / 'data' / 'lrp_tasks.json.gz'
SEEDS = st.integers(0, 2**32 - 1)


def without_boxes(results):
    return [{key: value for key, value in r.items() if key != 'bbox'} for r in results]


def assert_per_category(ours, expected, atol=1e-12):
    for name, values in expected.items():
        if name != 'lrp_opt_thr_floored':  # the published tool rounds LVIS's thresholds
            mine = np.array(ours[name], dtype=float)
            theirs = np.array(values, dtype=float)
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol, err_msg=name)


def assert_published(evaluation, expected):
    ours = evaluation.to_dict()
    for key in ('category_ids', 'areas', 'max_dets', 'iou_thrs', 'sigmas', 'frequency'):
        if key in expected:
            assert ours[key] == expected[key], key
    summary = expected['summary'] | expected.get('summary_extra', {})
    assert ours['summary'] == pytest.approx(summary, abs=1e-12, rel=0)
    assert_per_category(ours['per_category'], expected['per_category'])
    json.dumps(ours, allow_nan=False)


@pytest.mark.parametrize('name', CASES)
def test_all_numbers_equal_published(name):
    folder, truth, results, strip, iou_type = CASES[name]
    folder = GOLDEN / folder
    if not folder.is_dir():
        pytest.skip('needs ../shared/golden next to the checkout')
    if iou_type == 'segm':
        pytest.importorskip('pycocotools')
    truth, results = (json.loads((folder / f'{x}.json').read_text()) for x in (truth, results))
    results = without_boxes(results) if strip else results
    expected = json.loads((folder / 'expected.json').read_text())[name]
    assert_published(evaluate_lrp(truth, results, iou_type), expected)


@pytest.mark.parametrize('name', ['keypoints', 'crowdpose', 'bbox'])
def test_own_copy_equals_published(name):
    """A part of the published sets that is small enough for this repository."""
    case = json.loads(gzip.decompress(COPY.read_bytes()))[name]
    evaluation = evaluate_lrp(case['ground_truth'], case['results'], case['iou_type'])
    assert_published(evaluation, case['expected'])


@settings(max_examples=10)
@given(SEEDS, st.sampled_from([2, 20]), st.booleans())
def test_keypoints_equal_definition(seed, limit, boxes):
    truth, results = keypoint_data(seed)
    results = results if boxes else without_boxes(results)
    evaluation = evaluate_lrp(truth, results, 'keypoints', max_dets=[limit])
    rules = reference.Keypoints(truth, results, KNOWN[17][1])
    expected = reference.evaluate(rules, truth, limit)
    assert_per_category(evaluation.to_dict()['per_category'], expected)


@settings(max_examples=5)
@given(SEEDS, st.integers(1, 6))
def test_any_number_of_keypoints(seed, count):
    truth, results = keypoint_data(seed, num_keypoints=count)
    sigmas = (np.random.default_rng(seed).integers(1, 30, count) / 100).tolist()
    evaluation = evaluate_lrp(truth, results, 'keypoints', sigmas=sigmas)
    expected = reference.evaluate(reference.Keypoints(truth, results, sigmas), truth, 20)
    assert_per_category(evaluation.to_dict()['per_category'], expected)
    assert evaluation.to_dict()['sigmas'] == sigmas


@settings(max_examples=12)
@given(SEEDS, st.sampled_from([5, 12, 300]))
def test_lvis_equals_definition(seed, limit):
    truth, results = lvis_data(seed)
    evaluation = evaluate_lrp(truth, results, max_dets=[limit])
    expected = reference.evaluate(reference.Lvis(truth, results, limit), truth, limit)
    assert_per_category(evaluation.to_dict()['per_category'], expected)
    groups = [c['frequency'] for c in sorted(truth['categories'], key=lambda c: c['id'])]
    assert evaluation.to_dict()['frequency'] == groups
    for group in 'rcf':
        mine = [v for v, g in zip(evaluation.olrp[:, 0], groups) if g == group and v > -1]
        expected = np.mean(mine) if mine else -1
        assert evaluation.summary[f'oLRP_{group}'] == pytest.approx(expected, abs=1e-12)


def test_several_limits_at_once():
    truth, results = lvis_data(0)
    several = evaluate_lrp(truth, results, max_dets=(5, 12, 300))
    for limit in (5, 12, 300):
        alone = evaluate_lrp(truth, results, max_dets=[limit])
        np.testing.assert_array_equal(several.lrp[limit].olrp, alone.olrp)
        assert several.summary[f'AR{limit}'] == alone.summary[f'AR{limit}']
    assert list(several.summary)[9:15] == ['AR5', 'AR12', 'AR300', 'AR300_s', 'AR300_m', 'AR300_l']


def test_input_is_not_changed():
    for data in (keypoint_data(0), lvis_data(0)):
        copies = deepcopy(data)
        evaluate_lrp(*data, 'keypoints' if 'keypoints' in data[1][0] else 'bbox')
        assert data == copies


def test_ap_of_keypoints_equals_pycocotools():
    pytest.importorskip('pycocotools')
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = keypoint_data(3, num_objects=30, num_detections=120)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO()
        theirs.dataset = deepcopy(truth)
        theirs.createIndex()
        coco = COCOeval(theirs, theirs.loadRes(deepcopy(results)), 'keypoints')
        coco.evaluate()
        coco.accumulate()
        coco.summarize()
    ours = evaluate_lrp(truth, results, 'keypoints')
    np.testing.assert_allclose(ours.precision, coco.eval['precision'], rtol=0, atol=1e-12)
    np.testing.assert_allclose(list(ours.summary.values())[:10], coco.stats, rtol=0, atol=1e-12)


def test_ap_of_lvis_equals_the_package(monkeypatch):
    pytest.importorskip('lvis')
    import logging

    from lvis import LVIS, LVISEval, LVISResults

    monkeypatch.setattr(np, 'float', float, raising=False)  # the package needs it
    logging.getLogger('lvis').setLevel(logging.ERROR)
    for seed in range(5):
        truth, results = lvis_data(seed)
        for a in truth['annotations']:
            x, y, w, h = a['bbox']
            a['segmentation'] = [[x, y, x + w, y, x + w, y + h]]  # not used, but must be there
        theirs = LVIS.__new__(LVIS)
        theirs.logger = logging.getLogger('lvis')
        theirs.dataset = deepcopy(truth)
        theirs._create_index()
        evaluation = LVISEval(theirs, LVISResults(theirs, deepcopy(results), 12), 'bbox')
        evaluation.run()
        ours = evaluate_lrp(truth, results, max_dets=[12])
        assert_array = np.testing.assert_allclose
        assert_array(ours.precision[..., 0], evaluation.eval['precision'], rtol=0, atol=1e-12)
        assert_array(ours.recall[..., 0], evaluation.eval['recall'], rtol=0, atol=1e-12)
        values = evaluation.get_results()
        assert ours.summary['AP_r'] == pytest.approx(values['APr'], abs=1e-12)
        assert ours.summary['AR300_s' if 300 in ours.max_dets else 'AR12_s'] == pytest.approx(
            values['ARs@300'], abs=1e-12
        )


@pytest.mark.parametrize('task', TASKS.values(), ids=str)
def test_tasks_can_be_sent_to_another_process(task):
    sent = pickle.loads(pickle.dumps(task))
    assert (str(sent), sent.areas, sent.max_dets) == (str(task), task.areas, task.max_dets)
    assert sent.ignored is task.ignored and sent.crowd is task.crowd
