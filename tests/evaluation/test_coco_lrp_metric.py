"""The metric against CocoMetric, whose values it must reproduce, and against evaluate_lrp."""

import contextlib
import io
import json
import logging
import math
import re
from collections import defaultdict
from copy import deepcopy

import numpy as np
import pytest
from coco_helpers import make_data

from alrp.lrp import evaluate_lrp

torch = pytest.importorskip('torch')
pytest.importorskip('mmdet')
from mmdet.evaluation import CocoMetric  # noqa: E402
from mmdet.registry import METRICS  # noqa: E402
from mmengine.dist import get_rank  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmengine.structures import BaseDataElement  # noqa: E402
from process_helpers import run_processes  # noqa: E402
from pycocotools import mask as coco_mask  # noqa: E402

import alrp_mmdet  # noqa: E402, F401 - registers

WIDTH, HEIGHT = 64, 48
CLASSES = ('kind 2', 'kind 5', 'kind 9')  # the last one has no object
LRP_NAMES = ['oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn', 'oLRP_s', 'oLRP_m', 'oLRP_l']


@pytest.fixture(autouse=True)
def logger(caplog, monkeypatch):
    """MMEngine's logger, captured by pytest."""
    logger = MMLogger.get_instance('coco_lrp_metric')
    monkeypatch.setattr(logger, 'handlers', [*logger.handlers, caplog.handler])
    monkeypatch.setattr(MMLogger, 'get_current_instance', classmethod(lambda cls: logger))
    return logger


def pixels_of(box):
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8, order='F')
    x, y, w, h = (max(int(v), 0) for v in box)
    pixels[y : y + h, x : x + w] = 1
    return pixels


def make_files(tmp_path, seed, num_detections=40):
    """Ground truth and results with masks, and the path of the ground truth."""
    truth, results = make_data(seed, 16, num_detections, grid=4, num_scores=16)
    truth['categories'] = [dict(id=i, name=f'kind {i}') for i in (2, 5, 9)]
    for result in results[:3]:
        result['category_id'] = 9
    for annotation in truth['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['area'] = float(np.random.default_rng(annotation['id']).choice([9.0, 2e3, 1e4]))
        annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    for result in results:
        rle = coco_mask.encode(pixels_of(result['bbox']))
        result['segmentation'] = dict(rle, counts=rle['counts'].decode())
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth))
    return truth, results, str(path)


def make_samples(truth, results, category_ids=(2, 5, 9), masks=True):
    """What a detector passes to a metric: one sample per image, with labels for categories."""
    by_image = defaultdict(list)
    for result in results:
        if result['category_id'] in category_ids:
            by_image[result['image_id']].append(result)
    samples = []
    for image in truth['images']:
        mine = by_image[image['id']]
        boxes = torch.tensor([r['bbox'] for r in mine]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [category_ids.index(r['category_id']) for r in mine]
        predictions = dict(
            bboxes=boxes,
            scores=torch.tensor([r['score'] for r in mine], dtype=torch.float32),
            labels=torch.tensor(labels, dtype=torch.long),
        )
        if masks:
            pixels = np.array([pixels_of(r['bbox']) for r in mine], dtype=bool)
            predictions['masks'] = torch.from_numpy(pixels.reshape(-1, HEIGHT, WIDTH))
        samples.append(
            dict(img_id=image['id'], ori_shape=(HEIGHT, WIDTH), pred_instances=predictions)
        )
    return samples


def add_objects(samples, truth):
    """Add ground truth to the samples, which replaces an annotation file."""
    for sample in samples:
        sample['instances'] = [
            dict(
                bbox=[x, y, x + w, y + h],
                bbox_label=[2, 5, 9].index(a['category_id']),
                ignore_flag=a['iscrowd'],
                mask=coco_mask.encode(pixels_of(a['bbox'])),
            )
            for a in truth['annotations']
            if a['image_id'] == sample['img_id']
            for x, y, w, h in [a['bbox']]
        ]


def evaluate(metric, samples, classes=CLASSES, times=1):
    if isinstance(metric, dict):
        metric = METRICS.build(dict(dict(type='CocoLRPMetric'), **metric))
    metric.dataset_meta = dict(classes=classes)
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(times):
            metric.process({}, deepcopy(samples))
            numbers = metric.evaluate(len(samples))
    return numbers


def assert_same(ours, theirs):
    """Our values include theirs, in the same order, equal to the last digit."""
    assert [name for name in ours if name in theirs] == list(theirs)
    np.testing.assert_array_equal([ours[name] for name in theirs], list(theirs.values()))


def lrp_numbers(evaluation, metric='bbox'):
    return {f'coco/{metric}_{name}': evaluation.summary[name] for name in LRP_NAMES}


def without_lrp(numbers):
    return {name: value for name, value in numbers.items() if 'oLRP' not in name}


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
def test_no_detections(tmp_path, no_images, caplog):
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
        assert f'no {metric} detections' in caplog.text
    assert ours['coco/kind 5_precision'] == 0
    assert math.isnan(ours['coco/kind 9_precision'])
    assert json.loads(thresholds.read_text())['thresholds'] == dict.fromkeys(CLASSES)


def test_thresholds_file(tmp_path):
    truth, results, path = make_files(tmp_path, 0)
    file = tmp_path / 'deep' / 'thresholds.json'
    samples = make_samples(truth, results)
    evaluate(dict(ann_file=path, metric=['segm', 'bbox'], thresholds_file=str(file)), samples)
    written = json.loads(file.read_text())
    evaluation = evaluate_lrp(truth, results, 'segm')
    assert written == dict(
        thresholds={
            'kind 2': evaluation.lrp_opt_thr[0, 0],
            'kind 5': evaluation.lrp_opt_thr[1, 0],
            'kind 9': None,
        },
        iou_type='segm',
        tau=0.5,
        max_dets=100,
        oLRP=evaluation.summary['oLRP'],
        ann_file=path,
        num_images=3,
        num_objects=sum(not a['iscrowd'] for a in truth['annotations']),
        num_detections=len(results),
    )
    assert [x.name for x in file.parent.iterdir()] == [file.name]
    for sample in samples:  # keeping detections from the thresholds gives this very LRP error
        predictions = sample['pred_instances']
        limits = torch.tensor([written['thresholds'][name] or math.inf for name in CLASSES])
        kept = predictions['scores'] >= limits[predictions['labels']]
        sample['pred_instances'] = {name: x[kept] for name, x in predictions.items()}
    after = evaluate(dict(ann_file=path, metric='segm', metric_items=['oLRP']), samples)
    assert after['coco/segm_oLRP'] == pytest.approx(written['oLRP'])


@pytest.mark.parametrize('converted', [False, True])
def test_format_only_and_files_of_results(tmp_path, converted):
    truth, results, path = make_files(tmp_path, 0)
    samples = make_samples(truth, results)
    for sample in samples:
        sample['instances'] = []
    options = dict(metric=['bbox', 'segm'], ann_file=None if converted else path)
    files = []
    for name, build in (('ours', dict), ('theirs', CocoMetric)):
        (tmp_path / name).mkdir()
        prefix = str(tmp_path / name / 'out')
        metric = build(**options, format_only=True, outfile_prefix=prefix)
        assert evaluate(metric, samples) == {}
        files.append({f.name: json.loads(f.read_text()) for f in (tmp_path / name).iterdir()})
    assert files[0]['out.bbox.json'] and files[0]['out.segm.json']
    for content in files:
        content.get('out.gt.json', dict(info=dict()))['info'].clear()  # the time of day
    assert files[0] == files[1]
    if not converted:
        prefix = str(tmp_path / 'evaluated')
        evaluate(dict(options, metric=['bbox', 'proposal'], outfile_prefix=prefix), samples)
        assert (
            json.loads((tmp_path / 'evaluated.segm.json').read_text()) == files[1]['out.segm.json']
        )
        from_files = evaluate_lrp(path, f'{prefix}.bbox.json')
        assert from_files.to_dict() == evaluate_lrp(truth, results).to_dict()


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


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(metric='boxes'), KeyError, 'metric should be one of'),
        (dict(metric_items=['LRP']), KeyError, 'metric item "LRP" is not supported'),
        (dict(proposal_nums=(10, 100)), ValueError, r'proposal_nums.*three.*\[10, 100\]'),
        (
            dict(metric='proposal', thresholds_file='t.json'),
            ValueError,
            'thresholds_file.*bbox.*segm.*proposal',
        ),
        (dict(format_only=True), AssertionError, 'outfile_prefix'),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        METRICS.build(dict(options, type='CocoLRPMetric'))


def test_bad_predictions(tmp_path):
    truth, results, path = make_files(tmp_path, 0)
    samples = make_samples(truth, results, masks=False)
    with pytest.raises(ValueError, match=r'label 1\b.*\b1 of the classes.*kind 5.*num_classes'):
        evaluate(dict(ann_file=path), samples, classes=('kind 5',))
    with pytest.raises(KeyError, match='segm is not in results'):
        evaluate(dict(ann_file=path, metric='segm'), samples)
    samples[0]['pred_instances']['scores'][0] = math.nan
    with pytest.raises(ValueError, match=r'score .*finite number: nan \(entry '):
        evaluate(dict(ann_file=path), samples)


def test_what_is_shown(tmp_path, caplog):
    truth, results, path = make_files(tmp_path, 0)
    caplog.set_level(logging.INFO)
    options = dict(ann_file=path, classwise=True, proposal_nums=(1, 2, 3))
    evaluate(options, make_samples(truth, results))
    for shown in ('bbox_mAP_copypaste: ', 'bbox_oLRP_copypaste: 0.', 'threshold', '| kind 5'):
        assert shown in caplog.text
    assert re.search(r'bbox_mAP.*-1.*100.*\[1, 2, 3\]', caplog.text)


@pytest.mark.parametrize('converted', [False, True])
def test_two_processes_equal_one(tmp_path, monkeypatch, converted):
    """Two processes share three images, and one gets the first image again; twice."""
    truth, results, path = make_files(tmp_path, 0)
    samples = make_samples(truth, results)
    add_objects(samples, truth)
    ann_file = None if converted else path
    options = dict(ann_file=ann_file, metric=['bbox', 'segm'], classwise=True)
    expected = evaluate(dict(options, thresholds_file=str(tmp_path / 'one.json')), samples)
    monkeypatch.chdir(tmp_path)  # where MMEngine collects

    def work(rank):
        metric = METRICS.build(
            dict(options, type='CocoLRPMetric', thresholds_file=f'of_{get_rank()}.json')
        )
        metric.dataset_meta = dict(classes=CLASSES)
        for _ in range(2):
            metric.process({}, deepcopy([samples[i] for i in ((0, 2), (1, 0))[rank]]))
            numbers = metric.evaluate(len(samples))
        return numbers

    for numbers in run_processes(2, work, tmp_path):
        assert list(numbers) == list(expected)
        np.testing.assert_array_equal(list(numbers.values()), list(expected.values()))
    assert (tmp_path / 'of_0.json').read_text() == (tmp_path / 'one.json').read_text()
    assert not (tmp_path / 'of_1.json').exists()


class Guesser(BaseModel):
    """A detector with fixed detections for each epoch."""

    def __init__(self, of_epochs):
        super().__init__()
        self.of_epochs = of_epochs
        self.epoch = torch.nn.Parameter(torch.zeros(()))

    def forward(self, index, mode):
        if mode == 'loss':
            return dict(loss=-self.epoch)
        samples = self.of_epochs[round(self.epoch.item()) - 1]
        return [BaseDataElement(**samples[i]) for i in index]


def test_the_checkpoint_of_the_lowest_olrp_is_kept(tmp_path):
    """In a run of MMEngine without a rule, along with the checkpoint of the highest AP."""
    truth, results, path = make_files(tmp_path, 0)
    perfect = [dict(a, score=0.9) for a in truth['annotations']]
    data = dict(
        dataset=[dict(index=i) for i in range(3)],
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=3,
    )
    best = ['coco/bbox_oLRP', 'coco/bbox_mAP']
    runner = Runner(
        Guesser([make_samples(truth, r, masks=False) for r in (results, perfect, results[:2])]),
        str(tmp_path / 'run'),
        train_dataloader=data,
        val_dataloader=data,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        val_cfg=dict(),
        val_evaluator=dict(type='CocoLRPMetric', ann_file=path),
        default_hooks=dict(
            checkpoint=dict(type='AtomicCheckpointHook', max_keep_ckpts=1, save_best=best)
        ),
        default_scope='mmdet',
        experiment_name=tmp_path.name,
    )
    runner.val_evaluator.dataset_meta = dict(classes=CLASSES)
    runner.train()
    kept = sorted(path.name for path in (tmp_path / 'run').glob('best_*.pth'))
    assert kept == ['best_coco_bbox_mAP_epoch_2.pth', 'best_coco_bbox_oLRP_epoch_2.pth']
    assert runner.message_hub.get_info('best_score_coco/bbox_oLRP') < 0.5
