"""The values of the published evaluation, on synthetic boxes and on results for COCO images."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from coco_helpers import assert_equals_pycocotools, coco_eval

from alrp.lrp import evaluate_lrp

COPY = Path(__file__).parents[1] / 'data' / 'lrp_val2014_100_bbox.json.gz'
GOLDEN = Path(__file__).parents[3] / 'shared' / 'golden' / 'lrp'
CASES = ['copy', 'synthetic_bbox', 'val2014_100_bbox', 'val2014_100_segm']


@pytest.fixture(params=CASES)
def golden(request):
    """Ground truth, results, type of IoU, expected values."""
    if request.param == 'copy':
        content = json.loads(gzip.decompress(COPY.read_bytes()))
        return content['ground_truth'], content['results'], 'bbox', content['expected']
    if not GOLDEN.is_dir():
        pytest.skip('needs ../shared/golden/lrp next to the checkout')
    name, iou_type = request.param.rsplit('_', 1)
    if iou_type == 'segm':
        pytest.importorskip('pycocotools')
    files = f'{name}_gt.json', f'{name}_{iou_type}.json', f'{name}_{iou_type}_expected.json'
    ground_truth, results, expected = (json.loads((GOLDEN / file).read_text()) for file in files)
    return ground_truth, results, iou_type, expected


@pytest.mark.skipif(not GOLDEN.is_dir(), reason='needs ../shared/golden/lrp')
def test_no_case_is_left_out():
    cases = {path.name.removesuffix('_expected.json') for path in GOLDEN.glob('*_expected.json')}
    assert cases == {*CASES} - {'copy'}


def test_all_numbers_equal_published(golden):
    ground_truth, results, iou_type, expected = golden
    ours = evaluate_lrp(ground_truth, results, iou_type).to_dict()
    assert list(ours) == list(expected)
    assert ours['category_ids'] == expected['category_ids']
    assert ours['areas'] == expected['areas']
    # The components by size come after the published numbers.
    assert list(ours['summary'])[:19] == list(expected['summary'])
    for key, value in expected['summary'].items():
        assert ours['summary'][key] == pytest.approx(value, abs=1e-12, rel=0), key
    assert list(ours['per_category']) == list(expected['per_category'])
    for key, values in expected['per_category'].items():
        # None, without a true positive, becomes NaN, which must be at the same positions.
        np.testing.assert_allclose(
            np.array(ours['per_category'][key], dtype=float),
            np.array(values, dtype=float),
            rtol=0,
            atol=1e-12,
            err_msg=key,
        )
    json.dumps(ours, allow_nan=False)


def test_ap_equals_pycocotools(golden):
    ground_truth, results, iou_type, _ = golden
    expected = coco_eval(ground_truth, results, iou_type)
    assert_equals_pycocotools(evaluate_lrp(ground_truth, results, iou_type), expected)


def test_curves_have_the_same_optimum(golden):
    """Without ties the threshold gives exactly oLRP; with ties it never gives less."""
    ground_truth, results, iou_type, _ = golden
    evaluation = evaluate_lrp(ground_truth, results, iou_type)
    for k, category in enumerate(evaluation.category_ids):
        for a, area in enumerate(evaluation.areas):
            curve = evaluation.curve(category, area)
            optimum = [values[k, a] for values in evaluation.lrp[100]]
            np.testing.assert_allclose(curve.optimum(), optimum, rtol=0, atol=1e-12)
            if optimum[0] in (-1, 1):
                continue
            at_threshold = curve.at(optimum[-1]).error
            if (curve.score == optimum[-1]).sum() == 1:
                assert at_threshold == pytest.approx(optimum[0], abs=1e-12)
            assert at_threshold >= optimum[0] - 1e-12
            # Where another threshold would do as well, it has the same LRP error.
            equal = np.flatnonzero(np.abs(curve.error.error - optimum[0]) < 1e-12)
            assert curve.score[equal[0]] >= optimum[-1]
