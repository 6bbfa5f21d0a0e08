"""What the metric writes and logs, in one process, in two, and in a run of MMEngine."""

import json
import math
import re
from copy import deepcopy

import numpy as np
import pytest

from alrp.lrp import evaluate_lrp

torch = pytest.importorskip('torch')
pytest.importorskip('mmdet')
from coco_metric_helpers import (  # noqa: E402
    CLASSES,
    add_objects,
    evaluate,
    make_files,
    make_samples,
)
from mmdet.evaluation import CocoMetric  # noqa: E402
from mmdet.registry import METRICS  # noqa: E402
from mmengine.dist import get_rank  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmengine.structures import BaseDataElement  # noqa: E402
from process_helpers import run_processes  # noqa: E402


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
def test_format_only_and_files_of_results(tmp_path, converted, mmengine_log):
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
        assert f'Wrote {prefix}.bbox.json and {prefix}.segm.json' in mmengine_log.text
        from_files = evaluate_lrp(path, f'{prefix}.bbox.json')
        assert from_files.to_dict() == evaluate_lrp(truth, results).to_dict()


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


def test_what_is_shown(tmp_path, mmengine_log):
    truth, results, path = make_files(tmp_path, 0)
    options = dict(ann_file=path, classwise=True, proposal_nums=(1, 2, 3))
    evaluate(options, make_samples(truth, results))
    for shown in ('bbox_mAP_copypaste: ', 'bbox_oLRP_copypaste: 0.', 'threshold', '| kind 5'):
        assert shown in mmengine_log.text
    cells = re.search(r'\| kind 5 *\|(.*)\|', mmengine_log.text)[1].split('|')
    assert all(re.fullmatch(r'[01]\.\d{3}|nan', cell.strip()) for cell in cells)
    assert re.search(r'bbox_mAP.*-1.*100.*\[1, 2, 3\]', mmengine_log.text)


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
