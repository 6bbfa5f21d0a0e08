"""Types of errors against a slow reference, against the published tool, and as parts of oLRP."""

import json

import errors_reference as reference
import numpy as np
import pytest
from coco_helpers import data_sets, make_data
from hypothesis import given, settings
from hypothesis import strategies as st
from task_data import keypoint_data, lvis_data

from alrp.lrp import evaluate_lrp
from alrp.lrp.error_types import FN_TYPES, FP_TYPES, TYPES
from alrp.lrp.errors import PARTS, find_errors
from alrp.lrp.report.errors import most_confused


def mixed_data(seed, crowds=0.2):
    """Some classes are confused, and scores are distinct."""
    rng = np.random.default_rng(seed)
    truth, results = make_data(seed, int(rng.integers(0, 15)), 40, crowds=crowds)
    scores = rng.permutation(len(results)) / len(results)
    for r, score in zip(results, scores):
        if rng.uniform() < 0.3:
            r['category_id'] = 7 - r['category_id']
        shift = rng.uniform(0, 3, 2)  # no IoU of exactly 0.5, where several thresholds are optimal
        r.update(score=float(score), bbox=[*(r['bbox'][:2] + shift), *r['bbox'][2:]])
    return truth, results


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([100, 4]))
def test_equals_the_reference(seed, limit):
    data = mixed_data(seed)
    evaluation = evaluate_lrp(*data, max_dets=(limit,))
    errors = find_errors(evaluation, data[1])
    found, objects, categories = reference.analyze(*data, limit)

    counts = [
        [sum(d['type'] == t and d['category_id'] == k for d in found) for t in FP_TYPES]
        for k in categories
    ]
    assert errors.counts[:, :-1].tolist() == counts
    _, missed = reference.claimed(found, objects)
    of_class = [sum(o['category_id'] == k for o in missed) for k in categories]
    assert errors.counts[:, -1].tolist() == of_class

    if any(o['counts'] for o in objects):
        gains = reference.ap_gains(found, objects, categories)
        assert errors.dap == pytest.approx(gains, abs=1e-12, nan_ok=True)

    thresholds = evaluation.lrp_opt_thr[:, 0]
    threshold = {k: t for k, t in zip(categories, thresholds) if t >= 0}
    for k, category in enumerate(categories):
        if evaluation.olrp[k, 0] == -1:
            assert np.isnan(errors.lrp[k]).all()
            continue
        parts = reference.parts_of_lrp(found, objects, category, threshold)
        np.testing.assert_allclose(errors.lrp[k], [parts[name] for name in PARTS], atol=1e-12)
    matrix = reference.confusion(found, objects, categories, threshold)
    np.testing.assert_array_equal(errors.confusion, matrix)


def assert_parts_add_up(evaluation, results):
    errors = find_errors(evaluation, results)
    olrp = evaluation.olrp[:, 0]
    has_objects = olrp >= 0
    np.testing.assert_allclose(errors.lrp.sum(axis=1)[has_objects], olrp[has_objects], atol=1e-12)
    assert np.isnan(errors.lrp[~has_objects]).all()
    if has_objects.any():
        mean = sum(errors.mean_lrp.values())
        assert mean == pytest.approx(evaluation.summary['oLRP'], abs=1e-12)
    # Precision and recall at the thresholds follow from the counts.
    hits = np.diag(errors.confusion)[:-1]
    num_objects = evaluation.matches.num_objects[:, 0]
    np.testing.assert_array_equal(hits + errors.fn.sum(axis=1), num_objects)
    np.testing.assert_array_equal(errors.confusion[:-1].sum(axis=1), num_objects)
    np.testing.assert_array_equal(
        errors.confusion[:, :-1].sum(axis=0), hits + errors.fp.sum(axis=1)
    )
    found = hits > 0
    fp = errors.fp.sum(axis=1)[found] / (hits + errors.fp.sum(axis=1))[found]
    np.testing.assert_allclose(fp, evaluation.olrp_fp[found, 0], atol=1e-12)
    json.dumps(errors.to_dict(), allow_nan=False)


@settings(max_examples=40)
@given(data_sets())
def test_parts_add_up_to_olrp(data):
    """With equal scores, equal IoUs, crowds, and classes without objects."""
    assert_parts_add_up(evaluate_lrp(*data), data[1])


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_parts_add_up_to_olrp_for_lvis(seed):
    truth, results = lvis_data(seed)
    for r in results:  # else a class can have only matches that do not lower the error below 1
        r['bbox'][2] += 0.37 if r['bbox'][2] > 0 else 0
    assert_parts_add_up(evaluate_lrp(truth, results), results)


def test_masks():
    pytest.importorskip('pycocotools')
    truth, results = mixed_data(5)

    def with_mask(entry):
        x, y, w, h = entry['bbox']
        return dict(entry, segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]])

    truth['annotations'] = [
        dict(with_mask(a), iscrowd=0) for a in truth['annotations'] if not a['iscrowd']
    ]
    results = [with_mask(r) for r in results]
    evaluation = evaluate_lrp(truth, results, 'segm')
    assert_parts_add_up(evaluation, results)
    assert find_errors(evaluation, results).counts.any(axis=0).sum() > 3


def box(x, category=5, score=None, image=3, width=20):
    entry = dict(image_id=image, category_id=category, bbox=[x, 0, width, 10])
    return entry | (dict(area=10 * width, iscrowd=0) if score is None else dict(score=score))


def test_each_type():
    """One error of each type, by hand. IoUs of shifted boxes: (20 - s) / (20 + s)."""
    truth = dict(
        images=[dict(id=3)],
        categories=[dict(id=5, name='a'), dict(id=2, name='b')],
        annotations=[
            dict(box(x, c), id=i + 1)
            for i, (x, c) in enumerate([(0, 5), (100, 5), (200, 2), (300, 5)])
        ],
    )
    results = [
        box(0, score=0.9),  # a true positive
        box(2, score=0.8),  # a duplicate
        box(112, score=0.7),  # IoU 0.25 with the second object: localisation
        box(201, score=0.6),  # on the object of class 2: classification
        box(212, score=0.5),  # the same, IoU 0.25: both
        box(400, score=0.4),  # background
    ]
    errors = find_errors(evaluate_lrp(truth, results), results)
    assert dict(zip(TYPES, errors.counts.sum(axis=0).tolist())) == dict.fromkeys(TYPES, 1)
    assert errors.counts[1].tolist() == [1, 1, 1, 1, 1, 1]  # category 5; the object at 300
    types = [FP_TYPES[t] if t >= 0 else None for t in errors.outcomes.type]
    assert types == [None, 'Dupe', 'Loc', 'Cls', 'Both', 'Bkg']
    # AP of category 5: 1/3 of the recalls; of 2: 0. Fixing a type:
    assert errors.dap['Cls'] == pytest.approx(0.5)  # category 2 becomes perfect
    assert errors.dap['Loc'] == pytest.approx(((34 + 33 * 2 / 3) / 101 - 34 / 101) / 2)
    assert errors.dap['Dupe'] == errors.dap['Both'] == errors.dap['Bkg'] == 0
    assert errors.dap['Miss'] == pytest.approx((51 - 34) / 101 / 2)
    assert errors.lrp[1].tolist() == pytest.approx([0, 0, 0, 0, 0, 0, 2 / 3])  # keeps one
    assert errors.fn[:, FN_TYPES.index('Miss')].tolist() == [1, 2]
    assert errors.confusion.tolist() == [[0, 0, 1], [0, 1, 2], [0, 0, 0]]


def test_wrong_input():
    data = mixed_data(1)
    with pytest.raises(ValueError, match='not the results'):
        find_errors(evaluate_lrp(*data), data[1][1:])
    data = keypoint_data(1)
    with pytest.raises(ValueError, match='keypoints'):
        find_errors(evaluate_lrp(*data, 'keypoints'), data[1])


@pytest.mark.parametrize('make', [mixed_data, lvis_data])
def test_no_detections(make):
    truth, _ = make(1)
    evaluation = evaluate_lrp(truth, [])
    errors = find_errors(evaluation, [])
    num_objects = evaluation.matches.num_objects[:, 0]
    assert num_objects.sum() > 1
    assert errors.counts[:, -1].tolist() == errors.fn[:, -1].tolist() == num_objects.tolist()
    assert errors.confusion[:-1, -1].tolist() == num_objects.tolist()
    assert errors.mean_lrp == dict.fromkeys(PARTS, 0) | dict(Miss=1)


def test_nothing_at_all():
    truth = dict(images=[], categories=[], annotations=[])
    errors = find_errors(evaluate_lrp(truth, []), [])
    assert errors.confusion.tolist() == [[0]] and np.isnan(errors.dap['Cls'])
    assert json.loads(json.dumps(errors.to_dict(), allow_nan=False))['oLRP']['Miss'] is None


@pytest.mark.parametrize('num_classes, shown', [(60, [*range(60)]), (61, [2, 3, 5])])
def test_the_confusion_matrix_shows_the_confused_of_many_classes(num_classes, shown):
    matrix = 7 * np.eye(num_classes + 1, dtype=np.int64)
    matrix[3, 5] = matrix[2, 3] = 1
    matrix[10, -1] = matrix[-1, 11] = 4  # missed, and on the background
    assert most_confused(matrix).tolist() == shown
