"""The metric against CocoMetric, whose values it must reproduce, and against evaluate_lrp."""

import json
import math

import numpy as np
import pytest

from alrp.lrp import evaluate_lrp

torch = pytest.importorskip('torch')
pytest.importorskip('mmdet')
from coco_metric_helpers import (  # noqa: E402
    CLASSES,
    add_objects,
    assert_same,
    evaluate,
    lrp_numbers,
    make_files,
    make_samples,
    without_lrp,
)
from mmdet.evaluation import CocoMetric  # noqa: E402


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('classwise', [False, True])
def test_equals_coco_metric_and_evaluate_lrp(tmp_path, seed, classwise):
    truth, results, path = make_files(tmp_path, seed)
    samples = make_samples(truth, results)
    options = dict(ann_file=path, metric=['bbox', 'segm'], classwise=classwise)
    ours = evaluate(options, samples)
    theirs = evaluate(CocoMetric(**options), samples)
    assert_same(ours, theirs)
    assert without_lrp(ours).keys() == theirs.keys()
    for iou_type in ('bbox', 'segm'):
        evaluation = evaluate_lrp(truth, results, iou_type)
        expected = lrp_numbers(evaluation, iou_type)
        assert {name: ours[name] for name in expected} == expected
        for k, name in enumerate(CLASSES):
            if classwise:
                value = evaluation.olrp[k, 0]
                value = math.nan if value == -1 else value
                np.testing.assert_equal(ours[f'coco/{iou_type}_{name}_oLRP'], value)
            else:
                assert f'coco/{iou_type}_{name}_oLRP' not in ours


@pytest.mark.parametrize(
    'options',
    [
        dict(proposal_nums=(1, 2, 100)),
        dict(proposal_nums=(100, 3, 1)),
        dict(proposal_nums=(1, 2, 3)),  # no mAP, which is at 100
        dict(proposal_nums=(1, 2, 4, 100)),
        dict(proposal_nums=(2, 2, 100)),
        dict(iou_thrs=np.array([0.5])),
        dict(iou_thrs=np.array([0.3, 0.6, 0.75])),
        dict(metric_items=['mAP_50', 'AR@100', 'AR@300', 'AR@1000', 'AR_l@1000', 'mAP']),
        dict(prefix='mine', collect_device='cpu'),
    ],
)
def test_options_of_coco_metric(tmp_path, options):
    truth, results, path = make_files(tmp_path, 1, num_detections=90)
    samples = make_samples(truth, results)
    options = dict(options, ann_file=path, metric=['bbox', 'segm'])
    ours = evaluate(dict(options, use_mp_eval=True), samples)
    assert_same(ours, evaluate(CocoMetric(**options), samples))
    asked_for = 'metric_items' not in options
    assert (f'{options.get("prefix", "coco")}/bbox_oLRP' in ours) == asked_for


def test_lrp_does_not_depend_on_options_of_ap(tmp_path):
    truth, results, path = make_files(tmp_path, 1, num_detections=90)
    samples = make_samples(truth, results)
    expected = lrp_numbers(evaluate_lrp(truth, results))
    for options in (dict(iou_thrs=[0.75]), dict(iou_thrs=0.9), dict(proposal_nums=(1, 100, 300))):
        ours = evaluate(dict(options, ann_file=path), samples)
        assert {name: ours[name] for name in expected} == expected
    ours = evaluate(dict(ann_file=path, proposal_nums=(1, 1, 2)), samples)
    few = evaluate_lrp(truth, results, max_dets=[2])
    assert ours['coco/bbox_oLRP'] == few.summary['oLRP'] != expected['coco/bbox_oLRP']


def test_items_of_lrp(tmp_path):
    truth, results, path = make_files(tmp_path, 1)
    options = dict(ann_file=path, metric=['bbox', 'proposal'], metric_items=['oLRP_fn', 'AR@100'])
    ours = evaluate(options, make_samples(truth, results))
    assert list(ours) == ['coco/bbox_oLRP_fn', 'coco/bbox_AR@100', 'coco/AR@100']
    assert ours['coco/bbox_oLRP_fn'] == evaluate_lrp(truth, results).summary['oLRP_fn']


@pytest.mark.parametrize('metric', ['proposal', 'proposal_fast', ['proposal', 'bbox']])
def test_proposals_are_those_of_coco_metric(tmp_path, metric):
    truth, results, path = make_files(tmp_path, 2)
    # proposal_fast cannot handle images with different numbers of objects.
    del truth['images'][1:]
    kept = truth['images'][0]['id']
    truth['annotations'] = [a for a in truth['annotations'] if a['image_id'] == kept]
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    samples = make_samples(truth, results, masks=False)
    options = dict(ann_file=path, metric=metric)
    ours, theirs = evaluate(options, samples), evaluate(CocoMetric(**options), samples)
    assert_same(ours, theirs)
    assert list(without_lrp(ours)) == list(theirs)


@pytest.mark.parametrize(
    'classes, category_ids',
    [
        (('kind 5',), (5,)),
        (('kind 5', 'kind 2'), (2, 5)),  # labels are in the order of the file, as in CocoDataset
        (('kind 9', 'kind 5'), (5, 9)),
        (('kind 7', 'kind 5'), (5,)),  # of which the file knows only one
    ],
)
def test_some_of_the_classes_in_another_order(tmp_path, classes, category_ids):
    truth, results, path = make_files(tmp_path, 3)
    truth['annotations'][0]['category_id'] = 77  # unknown, and ignored
    truth['annotations'][1]['image_id'] = 77
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    samples = make_samples(truth, results, category_ids)
    thresholds = tmp_path / 'thresholds.json'
    options = dict(ann_file=path, metric=['bbox', 'segm'], classwise=True)
    ours = evaluate(dict(options, thresholds_file=str(thresholds)), samples, classes)
    assert_same(ours, evaluate(CocoMetric(**options), samples, classes))

    truth['categories'] = [c for c in truth['categories'] if c['id'] in category_ids]
    truth['annotations'] = [a for a in truth['annotations'][2:] if a['category_id'] in category_ids]
    evaluation = evaluate_lrp(truth, [r for r in results if r['category_id'] in category_ids])
    expected = lrp_numbers(evaluation)
    assert {name: ours[name] for name in expected} == expected
    written = json.loads(thresholds.read_text())['thresholds']
    assert list(written) == [f'kind {i}' for i in category_ids]
    defined = {name: -1 if x is None else x for name, x in written.items()}
    assert defined == dict(zip(evaluation.category_names, evaluation.lrp_opt_thr[:, 0]))


def test_classes_keep_their_values_in_a_file_that_is_not_in_order(tmp_path):
    """CocoMetric gives each class the values of another one there."""
    truth, results, path = make_files(tmp_path, 3)
    samples = make_samples(truth, results, (9, 5, 2))
    truth['categories'].reverse()
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    options = dict(ann_file=path, classwise=True)
    ours, theirs = evaluate(options, samples), evaluate(CocoMetric(**options), samples)
    assert ours['coco/bbox_mAP'] == theirs['coco/bbox_mAP']
    assert ours['coco/kind 2_precision'] == theirs['coco/kind 9_precision']
    assert math.isnan(ours['coco/kind 9_precision'])
    evaluation = evaluate_lrp(truth, results)
    assert ours['coco/bbox_kind 2_oLRP'] == evaluation.olrp[0, 0]
    assert ours['coco/bbox_kind 5_oLRP'] == evaluation.olrp[1, 0]

    options['sort_categories'] = True
    samples = make_samples(truth, results)
    assert_same(evaluate(options, samples), evaluate(CocoMetric(**options), samples))


def test_ground_truth_of_the_data_set(tmp_path, monkeypatch):
    """Without ann_file it comes with the images and is kept for the next evaluation."""
    truth, results, _ = make_files(tmp_path, 0)
    samples = make_samples(truth, results)
    add_objects(samples, truth)
    temporary = tmp_path / 'temporary'
    temporary.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(temporary))
    options = dict(metric=['bbox', 'segm'], classwise=True)
    theirs = evaluate(CocoMetric(**options), samples)
    assert_same(evaluate(options, samples), theirs)
    assert_same(evaluate(options, samples, times=2), theirs)
    assert list(temporary.iterdir()) == []
    assert evaluate(options, []) == {}


@pytest.mark.parametrize('no_images', [False, True])
def test_no_detections(tmp_path, no_images, mmengine_log):
    truth, _, path = make_files(tmp_path, 0)
    thresholds = tmp_path / 'thresholds.json'
    samples = [] if no_images else make_samples(truth, [])
    options = dict(ann_file=path, metric=['bbox', 'segm', 'proposal'], classwise=True)
    ours = evaluate(dict(options, thresholds_file=str(thresholds)), samples)
    for metric in ('bbox', 'segm'):
        expected = lrp_numbers(evaluate_lrp(truth, [], metric), metric)
        assert expected[f'coco/{metric}_oLRP'] == 1
        assert {name: ours[name] for name in expected} == expected
        assert ours[f'coco/{metric}_mAP'] == 0
        assert ours[f'coco/{metric}_kind 5_oLRP'] == 1
        assert f'no {metric} detections' in mmengine_log.text
    assert ours['coco/kind 5_precision'] == 0
    assert math.isnan(ours['coco/kind 9_precision'])
    assert json.loads(thresholds.read_text())['thresholds'] == dict.fromkeys(CLASSES)


def test_masks_may_have_scores_of_their_own(tmp_path):
    truth, results, path = make_files(tmp_path, 0)
    samples = make_samples(truth, results)
    for sample in samples:
        predictions = sample['pred_instances']
        predictions['mask_scores'] = predictions['scores'].flip(0)
    options = dict(ann_file=path, metric=['bbox', 'segm'])
    assert_same(evaluate(options, samples), evaluate(CocoMetric(**options), samples))


def test_an_image_without_detections_may_have_no_masks(tmp_path):
    truth, results, path = make_files(tmp_path, 0)
    first = truth['images'][0]['id']
    results = [r for r in results if r['image_id'] != first]
    samples = make_samples(truth, results)
    del samples[0]['pred_instances']['masks']
    ours = evaluate(dict(ann_file=path, metric='segm'), samples)
    assert ours['coco/segm_oLRP'] == evaluate_lrp(truth, results, 'segm').summary['oLRP']
