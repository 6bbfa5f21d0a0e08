"""Little or nothing to evaluate, quirks of pycocotools, and masks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coco_helpers import assert_equals_pycocotools, coco_eval, make_data, make_ground_truth

from alrp.lrp import evaluate_lrp, lrp_curve, lrp_error, mean_over_classes
from alrp.lrp.masks import run_length_sums
from alrp.lrp.matching import _evaluation_order

BOX = [8.0, 8.0, 40.0, 40.0]  # of medium size


def annotation(id=1, image=3, category=5, bbox=BOX, **changes):
    area = bbox[2] * bbox[3]
    return dict(
        dict(id=id, image_id=image, category_id=category, bbox=bbox, area=area, iscrowd=0),
        **changes,
    )


def result(score=0.5, image=3, bbox=BOX, category=5):
    return dict(image_id=image, category_id=category, bbox=bbox, score=score)


def test_no_detections_at_all():
    """AP is 0 and LRP is 1, not undefined: all objects are missed."""
    evaluation = evaluate_lrp(make_ground_truth([annotation()]), [])
    expected = dict.fromkeys(evaluation.summary, 0.0)
    expected |= {name: -1.0 for name in expected if name.startswith('oLRP')}
    expected |= dict.fromkeys(['oLRP', 'oLRP_fn', 'oLRP_m', 'oLRP_fn_m'], 1.0)
    expected |= dict.fromkeys(['AP_s', 'AP_l', 'AR_s', 'AR_l'], -1.0)
    assert evaluation.summary == expected
    per_category = evaluation.to_dict()['per_category']
    assert per_category['olrp'] == [[-1, -1, -1, -1], [1, -1, 1, -1]]
    assert per_category['olrp_fn'] == [[-1, -1, -1, -1], [1, -1, 1, -1]]
    for name in ('olrp_loc', 'olrp_fp', 'lrp_opt_thr'):
        assert per_category[name] == [[-1, -1, -1, -1], [None, -1, None, -1]]
    assert evaluation.curve(5).at(0.5).error == 1
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_no_objects_at_all():
    evaluation = evaluate_lrp(make_ground_truth([]), [result()])
    assert set(evaluation.summary.values()) == {-1}
    assert (evaluation.olrp == -1).all() and (evaluation.precision == -1).all()


def test_neither_images_nor_categories():
    evaluation = evaluate_lrp(dict(images=[], categories=[], annotations=[]), [])
    assert set(evaluation.summary.values()) == {-1}
    assert evaluation.olrp.shape == (0, 4)


def test_class_without_objects_is_not_in_the_mean():
    """Its detections are false positives, but of a class that does not count."""
    ground_truth = make_ground_truth([annotation()])
    evaluation = evaluate_lrp(ground_truth, [result(), result(category=2, score=0.9)])
    assert evaluation.category_ids == [2, 5]
    assert evaluation.category_names == ['kind 2', 'kind 5']
    np.testing.assert_array_equal(evaluation.olrp[:, 0], [-1, 0])
    np.testing.assert_array_equal(evaluation.lrp_opt_thr[:, 0], [-1, 0.5])
    assert evaluation.summary['oLRP'] == 0
    assert evaluation.summary['AP'] == pytest.approx(1)


def test_values_by_hand():
    """Two of three objects are found, one with IoU 3/4, with a false positive in between."""
    annotations = [annotation(i, image) for i, image in enumerate([3, 7, 12], 1)]
    results = [
        result(0.9, 3),
        result(0.6, 7, [100.0, 0.0, 40.0, 40.0]),
        result(0.3, 7, [8.0, 8.0, 40.0, 30.0]),
        result(0.2, 12, [0.0, 0.0, 9.0, 40.0]),
    ]
    evaluation = evaluate_lrp(make_ground_truth(annotations), results)
    assert [x[1, 0] for x in evaluation.lrp[100]] == pytest.approx(
        [0.625, 0.125, 1 / 3, 1 / 3, 0.3]
    )
    assert evaluation.curve(5).error.error == pytest.approx([2 / 3, 0.75, 0.625, 0.7])
    assert evaluation.curve(5).at(0.6).error == pytest.approx(0.75)
    assert evaluation.lrp[1].olrp[1, 0] == pytest.approx(2 / 3)  # of each image, the best one
    assert evaluation.summary['AR1'] == pytest.approx((1 / 3 * 10) / 10)


def test_boxes_without_area_match_nothing():
    """As in pycocotools, for objects and detections. Such a detection is a false positive."""
    flat = [8.0, 8.0, 0.0, 40.0]
    ground_truth = make_ground_truth([annotation(), annotation(2, 7, bbox=flat)])
    results = [result(), result(0.4, 7, flat), result(0.3, 3, flat), result(0.2, 3, [9, 9, -4, 3])]
    evaluation = evaluate_lrp(ground_truth, results)
    assert_equals_pycocotools(evaluation, coco_eval(ground_truth, results))
    assert evaluation.olrp[1, 0] == 0.5
    assert evaluation.curve(5).error.fp.tolist() == [0, 1 / 2, 2 / 3]  # of negative area: ignored


def test_crowd_is_matched_any_number_of_times_and_ignored():
    crowd = annotation(2, bbox=[100.0, 100.0, 300.0, 300.0], iscrowd=1)
    ground_truth = make_ground_truth([annotation(), crowd])
    results = [result(), *[result(0.9, bbox=[110.0 + i, 120.0, 50.0, 50.0]) for i in range(5)]]
    evaluation = evaluate_lrp(ground_truth, results)
    assert_equals_pycocotools(evaluation, coco_eval(ground_truth, results))
    assert evaluation.olrp[1, 0] == 0


def test_ignore_is_replaced_by_iscrowd():
    """As in pycocotools."""
    annotations = [annotation(ignore=1), annotation(2, 7, ignore=0)]
    evaluation = evaluate_lrp(make_ground_truth(annotations), [result()])
    assert evaluation.summary['oLRP'] == 0.5
    assert_equals_pycocotools(evaluation, coco_eval(make_ground_truth(annotations), [result()]))


def test_iscrowd_may_be_missing():
    ground_truth = make_ground_truth([annotation()])
    del ground_truth['annotations'][0]['iscrowd']
    assert evaluate_lrp(ground_truth, [result()]).summary['oLRP'] == 0


def test_ids_may_be_text():
    ground_truth = make_ground_truth([annotation(image='b', category='x')])
    ground_truth['images'] = [dict(id=i) for i in 'cab']
    ground_truth['categories'] = [dict(id=i) for i in 'yx']
    evaluation = evaluate_lrp(ground_truth, [result(image='b', category='x')])
    assert evaluation.category_ids == evaluation.category_names == ['x', 'y']
    assert evaluation.summary['oLRP'] == 0


def test_objects_of_pycocotools():
    truth, results = make_data(0, 20, 40)
    coco = pytest.importorskip('pycocotools.coco').COCO()
    coco.dataset = truth
    coco.createIndex()
    expected = evaluate_lrp(truth, results).summary
    assert evaluate_lrp(coco, coco.loadRes(results)).summary == expected


def test_paths_and_numpy_numbers(tmp_path):
    ground_truth, results = make_data(2, 10, 20)
    for name, content in dict(truth=ground_truth, results=results).items():
        (tmp_path / name).write_text(json.dumps(content))
    from_files = evaluate_lrp(tmp_path / 'truth', str(tmp_path / 'results'))
    for r in results:
        r.update(
            score=np.float64(r['score']), bbox=np.array(r['bbox']), image_id=np.int64(r['image_id'])
        )
    for annotation in ground_truth['annotations']:
        annotation.update(bbox=np.array(annotation['bbox']))
    assert evaluate_lrp(ground_truth, results).to_dict() == from_files.to_dict()


@pytest.mark.parametrize('seed', range(6))
def test_masks_equal_pycocotools(seed):
    """Polygons, run lengths and compressed run lengths, as text and as bytes."""
    mask = pytest.importorskip('pycocotools.mask')
    ground_truth, results = make_data(seed, 12, 30, grid=4, num_scores=3)
    rng = np.random.default_rng(seed)

    def segmentation(box, image_id, kinds):
        x, y, w, h = (int(v) for v in box)
        kind = rng.choice(kinds)
        if kind == 'polygon':
            return [[x, y, x + w, y, x + w, y + h], [x, y, x + w, y + h, x, y + h + 2.5]]
        pixels = np.zeros((48, 64), np.uint8, order='F')
        pixels[max(y, 0) : y + h, max(x, 0) : x + w] = rng.uniform(size=()) < 0.9
        if kind == 'counts':
            flat = np.concatenate([[0], pixels.ravel(order='F'), [2]])
            changes = np.flatnonzero(np.diff(flat))
            counts = np.diff(np.concatenate([[0], changes])).tolist()
            return dict(size=[48, 64], counts=counts)
        rle = mask.encode(pixels)
        return rle if kind == 'bytes' else dict(rle, counts=rle['counts'].decode())

    for a in ground_truth['annotations']:
        a['segmentation'] = segmentation(a['bbox'], a['image_id'], ['polygon', 'counts', 'text'])
    for r in results:  # pycocotools takes only compressed ones here
        r['segmentation'] = segmentation(r.pop('bbox'), r['image_id'], ['text', 'bytes'])
    evaluation = evaluate_lrp(ground_truth, results, 'segm')
    assert_equals_pycocotools(evaluation, coco_eval(ground_truth, results, 'segm'))
    if evaluation.summary['oLRP'] != -1:
        assert 0 <= evaluation.summary['oLRP'] <= 1


def test_area_of_a_mask_counts_even_if_there_is_a_box():
    mask = pytest.importorskip('pycocotools.mask')
    pixels = np.zeros((48, 64), np.uint8, order='F')
    pixels[:20, :20] = 1
    rle = mask.encode(pixels)
    ground_truth = make_ground_truth([annotation(area=400, segmentation=rle)])
    other = dict(result(0.9, image=7, bbox=[0, 0, 60, 40]), segmentation=rle)  # a false positive
    results = [dict(result(0.8), segmentation=rle), other]
    assert evaluate_lrp(ground_truth, results, 'segm').summary['oLRP_s'] == 0.5


def test_run_lengths_add_up_to_the_image():
    mask = pytest.importorskip('pycocotools.mask')
    rng = np.random.default_rng(0)
    counts, sizes = [], []
    for height, width in ((1, 1), (3, 5), (480, 640), (2000, 3000)):
        for share in (0, 0.001, 0.5, 1):
            pixels = np.asfortranarray(rng.uniform(size=(height, width)) < share, dtype=np.uint8)
            counts.append(mask.encode(pixels)['counts'])
            sizes.append(height * width)
    assert run_length_sums(counts).tolist() == sizes
    assert run_length_sums([*counts, b'', b'\x00', counts[6][:-1]])[-3:-1].tolist() == [-1, -1]
    assert run_length_sums([counts[6][:-1]]) != sizes[6]
    assert run_length_sums([]).shape == (0,)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (([0.4], 0, 0), r'true positives.*tau.*0\.5.*0\.4'),
        (([1.2], 0, 0), r'ious.*\[0, 1\].*1\.2'),
        (([float('nan')], 0, 0), r'ious.*\[0, 1\].*nan'),
        (([[0.6]], 0, 0), r'ious.*dimension.*\(1, 1\)'),
        (([0.6], -1, 0), 'num_false_positives.*-1 and 0'),
        (([0.6], 0, 0, 1.0), r'tau.*\[0, 1\).*1\.0'),
    ],
)
def test_bad_arguments_of_the_error_of_a_set(arguments, message):
    with pytest.raises(ValueError, match=message):
        lrp_error(*arguments)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (([0.1, 0.2], [0.6], 2), r'scores.*ious.*\(2,\).*\(1,\)'),
        (([float('nan')], [0.6], 2), 'score.*NaN'),
        (([0.1, 0.2], [0.6, 0.7], 1), 'num_objects.*true positives, 2, got 1'),
    ],
)
def test_bad_arguments_of_a_curve(arguments, message):
    with pytest.raises(ValueError, match=message):
        lrp_curve(*arguments)


@pytest.mark.parametrize(
    'arguments, message',
    [
        ((99,), r'category_id .*\[2, 5\].* 99'),
        ((5, 'tiny'), "area .*'all', 'small', 'medium', 'large'.* 'tiny'"),
        ((5, 'all', 50), r'max_dets .*\[1, 10, 100\].* 50'),
    ],
)
def test_curve_of_an_unknown_category_area_or_limit(arguments, message):
    evaluation = evaluate_lrp(make_ground_truth([annotation()]), [result()])
    with pytest.raises(ValueError, match=message):
        evaluation.curve(*arguments)


def test_curves_without_detections_or_objects():
    nothing = lrp_curve([], [], 3)
    assert nothing.at(0.5).error == 1
    assert nothing.optimum().olrp == nothing.optimum().olrp_fn == 1
    assert np.isnan(nothing.optimum().lrp_opt_thr)
    assert lrp_curve([0.5], [0.0], 0).optimum() == (-1, -1, -1, -1, -1)
    assert np.isnan(lrp_error([], 0, 0).error)


def test_mean_skips_undefined_values():
    assert mean_over_classes([0.25, -1, float('nan'), 0.75]) == 0.5
    assert mean_over_classes([-1, float('nan')]) == mean_over_classes([]) == -1


def test_needs_numpy_only():
    """Not even pycocotools, for boxes."""
    code = (
        'import sys; sys.modules.update(dict.fromkeys('
        '["torch", "mmdet", "mmcv", "mmengine", "pycocotools"])); '
        'from alrp.lrp import evaluate_lrp; '
        'print(evaluate_lrp(dict(images=[], categories=[], annotations=[]), []).summary["oLRP"])'
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)
    assert run.stdout.strip() == '-1.0', run.stderr


def test_more_classes_than_fit_in_16_bits_are_ordered_alike():
    """They are sorted as another type."""
    rng = np.random.default_rng(0)
    category, score = rng.integers(0, 4, (2, 200))
    few = _evaluation_order(category, score / 4, 4)
    many = _evaluation_order(category * 30_000, score / 4, 90_001)
    np.testing.assert_array_equal(few, np.lexsort((-score, category)))
    np.testing.assert_array_equal(few, many)
