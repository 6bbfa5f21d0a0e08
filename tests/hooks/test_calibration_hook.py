import json

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from thresholds_helpers import CLASSES, FixedDetector, sample

import alrp_mmdet  # noqa: F401 - registers
from alrp.lrp.calibration import Calibration, CalibrationError, ScoreCurve


class Images(list):
    metainfo = dict(classes=CLASSES)


def make_runner(tmp_path, *hooks, **metric):
    boxes = [[0, 0, 9, 9], [20, 0, 9, 9], [40, 0, 9, 9], [60, 0, 9, 9], [80, 0, 9, 9]]
    labels = [0, 1, 0, 2, 1]
    found = sample([0.9, 0.5, 0.6, 0.3, 0.1], labels)
    found.pred_instances.bboxes = torch.tensor(
        [[x, y, x + w, y + h] for x, y, w, h in boxes], dtype=torch.float32
    )
    truth = dict(
        images=[dict(id=0, width=100, height=50)],
        categories=[dict(id=i, name=name) for i, name in enumerate(CLASSES)],
        annotations=[
            dict(id=i + 1, image_id=0, category_id=labels[i], bbox=boxes[i], area=81)
            for i in (2, 3, 4)
        ],
    )
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    return Runner(
        FixedDetector(found),
        str(tmp_path / 'run'),
        test_dataloader=dict(
            dataset=Images([dict(inputs=0)]), sampler=dict(type='DefaultSampler'), batch_size=1
        ),
        test_cfg=dict(),
        test_evaluator=dict(
            type='CocoLRPMetric',
            ann_file=str(tmp_path / 'truth.json'),
            outfile_prefix=str(tmp_path / 'test'),
            **metric,
        ),
        custom_hooks=list(hooks),
        default_scope='mmdet',
        experiment_name=tmp_path.name,
    )


@pytest.fixture
def hook(tmp_path):
    curves = {
        name: ScoreCurve(np.array([0, 0.5, 1]), np.array([0, y, 1]))
        for name, y in zip(CLASSES, (0.1, 0.7, 0.3))
    }
    (tmp_path / 'calibration.json').write_text(Calibration(curves).to_json())
    return dict(type='CalibrationHook', calibration_file=str(tmp_path / 'calibration.json'))


def results(tmp_path):
    return json.loads((tmp_path / 'test.bbox.json').read_text())


def test_a_test_has_calibrated_scores_and_the_same_ap(tmp_path, hook, mmengine_log):
    (tmp_path / 'plain').mkdir()
    plain = make_runner(tmp_path / 'plain')
    before = plain.test()
    thresholds = tmp_path / 'thresholds.json'
    runner = make_runner(tmp_path, hook, thresholds_file=str(thresholds))
    runner.logger.addHandler(mmengine_log.handler)
    assert runner.test() == before
    scores = {(r['category_id'], r['bbox'][0]): r['score'] for r in results(tmp_path)}
    expected = {(0, 0): 0.82, (1, 20): 0.7, (0, 40): 0.28, (2, 60): 0.18, (1, 80): 0.14}
    assert scores == pytest.approx(expected, abs=1e-6)
    assert not thresholds.exists()
    assert f'Not writing thresholds_file {thresholds}' in mmengine_log.text
    assert runner.test_evaluator.metrics[0].thresholds_file == str(thresholds)
    assert not runner.model._forward_hooks


@pytest.mark.parametrize('reverse', [False, True])
def test_with_thresholds(tmp_path, hook, reverse):
    path = tmp_path / 'thresholds.json'
    path.write_text(json.dumps(dict(thresholds=dict(zip(CLASSES, (0.55, 0.5, None))))))
    hooks = [dict(type='LRPThresholdsHook', thresholds_file=str(path)), hook]
    make_runner(tmp_path, *(reversed(hooks) if reverse else hooks)).test()
    scores = [r['score'] for r in results(tmp_path)]
    assert scores == pytest.approx([0.82, 0.7, 0.28], abs=1e-6)


def test_a_missing_file(tmp_path, hook):
    hook['calibration_file'] = 'absent.json'
    with pytest.raises(CalibrationError, match=r'CalibrationHook.* absent\.json$'):
        make_runner(tmp_path, hook).test()
