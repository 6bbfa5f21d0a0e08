"""tools/train.py and tools/test.py: results, checkpoints, pictures and error messages."""

import json
import pickle
import socket
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmdet.visualization import DetLocalVisualizer

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_tested_checkpoint_has_the_ap_of_its_training(tmp_path, config, tool):
    options = ('train_cfg.max_epochs=12', 'param_scheduler=[]')
    tool('train.py', config, '--work-dir', 'run', options=options)
    in_training = metrics(tmp_path / 'run' / '*' / 'vis_data' / 'scalars.json')
    assert in_training['coco/bbox_mAP_50'] > 0.05  # something was learnt

    tool('test.py', config, 'run/epoch_12.pth', '--work-dir', 'tested', '--out', 'detections.pkl')
    tested = metrics(tmp_path / 'tested' / '*' / '*.json')
    assert {key: tested[key] for key in tested if key.startswith('coco/')} == {
        key: in_training[key] for key in in_training if key.startswith('coco/')
    }
    assert len(pickle.loads((tmp_path / 'detections.pkl').read_bytes())) == 8


@pytest.mark.slow
def test_two_cpu_processes_end_with_equal_weights(tmp_path, config, command):
    (tmp_path / 'witness.py').write_text(
        'import torch\n'
        'from mmdet.registry import HOOKS\n'
        'from mmengine.hooks import Hook\n'
        '@HOOKS.register_module()\n'
        'class Witness(Hook):\n'
        '    def after_train(self, runner):\n'
        "        torch.save(runner.model.module.state_dict(), f'rank{runner.rank}.pth')\n"
    )
    text = config.read_text()
    config.write_text(
        f"{text}\ncustom_imports = dict(imports=['alrp_mmdet', 'witness'])\n"
        "custom_hooks = [dict(type='EpochSeedHook'), dict(type='Witness')]\n"
    )
    train = ['bash', ROOT / 'tools' / 'dist_train.sh', config, 2, '--work-dir', 'run']
    result = command('env', f'PORT={free_port()}', *train)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('gloo') == 1

    first, second = (torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1))
    # As in MMDetection, each process has its own batch normalisation statistics.
    learnt = [name for name in first if 'running' not in name]
    assert [name for name in learnt if not torch.equal(first[name], second[name])] == []
    logged = metrics(tmp_path / 'run' / '*' / 'vis_data' / 'scalars.json')
    weight = first['bbox_head.loss_cls.self_balance.weight'].item()
    assert logged['self_balance'] == pytest.approx(weight, rel=1e-4)
    assert weight != 50


@pytest.mark.slow
@pytest.mark.parametrize('broken', ['annotations', 'config', 'second process', 'global ranking'])
def test_two_processes_tell_an_error_once_and_last(tmp_path, config, command, broken):
    facts = ['annotations.json', 'JSON']
    if broken == 'annotations':
        (tmp_path / 'annotations.json').write_text('{"images": [')
    elif broken == 'config':
        facts = ['tiny.py', 'ZeroDivisionError']
        config.write_text(f'{config.read_text()}\nx = 1 / 0\n')
    else:
        facts = ['iteration 3']
        if broken == 'global ranking':  # the first process has an error, too
            facts.append('process 1: ')
            loss = "model['bbox_head']['loss_cls']['ranking'] = 'global'"
            config.write_text(f'{config.read_text()}\n{loss}\n')
        (tmp_path / 'poison.py').write_text(
            'from mmdet.registry import HOOKS\n'
            'from mmengine.hooks import Hook\n'
            '@HOOKS.register_module()\n'
            'class Poison(Hook):\n'
            '    def before_train_iter(self, runner, *args, **kwargs):\n'
            '        if runner.iter == 2 and runner.rank == 1:\n'
            '            runner.model.module.bbox_head.retina_cls.bias.data[0] = float("nan")\n'
        )
        config.write_text(
            f"{config.read_text()}\ncustom_imports = dict(imports=['alrp_mmdet', 'poison'])\n"
            "custom_hooks = [dict(type='Poison')]\n"
        )
    train = ['bash', ROOT / 'tools' / 'dist_train.sh', config, 2, '--work-dir', 'run']
    result = command('env', f'PORT={free_port()}', *train)
    assert result.returncode == 1
    last = result.stderr.partition('error: ')[2]
    assert all(fact in last for fact in facts), result.stderr
    assert 'error: ' not in last and 'Traceback' not in result.stderr, result.stderr


def test_nan_stops_training_and_keeps_the_last_checkpoint(tmp_path, config, tool):
    (tmp_path / 'poison.py').write_text(
        'from mmdet.registry import HOOKS\n'
        'from mmengine.hooks import Hook\n'
        '@HOOKS.register_module(force=True)\n'
        'class Poison(Hook):\n'
        '    def before_train_iter(self, runner, *args, **kwargs):\n'
        '        if runner.iter + 1 == 6:\n'
        '            runner.model.bbox_head.retina_cls.bias.data[0] = float("nan")\n'
    )
    sys.path.insert(0, str(tmp_path))
    try:
        config.write_text(
            f"{config.read_text()}\ncustom_imports = dict(imports=['alrp_mmdet', 'poison'])\n"
            "custom_hooks = [dict(type='Poison')]\n"
        )
        with pytest.raises(SystemExit, match=r'error: .*iteration 6\b'):
            tool('train.py', config, '--work-dir', 'run')
    finally:
        sys.path.remove(str(tmp_path))
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth')['state_dict']
    assert all(value.isfinite().all() for value in saved.values())


@pytest.mark.parametrize('by', [pytest.param('cfg-options', marks=pytest.mark.slow), 'config'])
def test_learning_rate_scales_with_the_batch_size(tmp_path, config, tool, by):
    if by == 'config':
        config.write_text(f'{config.read_text()}\nauto_scale_lr = dict(base_batch_size=8)\n')
    options = ('train_cfg.max_epochs=1',)
    if by == 'cfg-options':
        options += ('auto_scale_lr.base_batch_size=8',)
    tool('train.py', config, '--work-dir', 'run', '--auto-scale-lr', options=options)
    scalars = metrics(tmp_path / 'run' / '*' / 'vis_data' / 'scalars.json')
    assert scalars['lr'] == pytest.approx(0.01 * 2 / 8)


@pytest.mark.slow
def test_time_augmentation_merges_mirror_images(tmp_path, config, tool):
    tool('train.py', config, '--work-dir', 'run', options=('train_cfg.max_epochs=1',))
    args = config, 'run/epoch_1.pth', '--work-dir', 'tested'
    tool('test.py', *args, '--out', 'plain.pkl')
    tool('test.py', *args, '--tta', '--out', 'merged.pkl')
    plain, merged = (
        {s['img_id']: s['pred_instances'] for s in pickle.loads((tmp_path / name).read_bytes())}
        for name in ('plain.pkl', 'merged.pkl')
    )
    assert plain.keys() == merged.keys() and len(merged) == 8
    for image in plain:
        assert len(merged[image]['scores']) == 20  # max_per_img of the model
        # The best detection is of the image or of its mirror image.
        assert merged[image]['scores'].max() >= plain[image]['scores'].max() - 1e-6
    assert any(not torch.equal(plain[i]['bboxes'], merged[i]['bboxes']) for i in plain)


def test_time_augmentation_of_masks_is_refused(mask_config, mask_checkpoint, tool):
    with pytest.raises(SystemExit, match=r'error: --tta .*masks.*tta_model'):
        tool('test.py', mask_config, mask_checkpoint, '--tta')


def test_thresholds_apply_to_pictures_and_predictions(tmp_path, config, tool, calibration):
    thresholds = tmp_path / 'thresholds.json'
    thresholds.write_text('{"thresholds": {"disc": 0, "square": null}}')
    options = 'test_evaluator.type=CocoLRPMetric', f'test_evaluator.thresholds_file={thresholds}'
    # Training does not read the config's thresholds file; --thresholds replaces it.
    absent = "custom_hooks = [dict(type='LRPThresholdsHook', thresholds_file='absent.json')]"
    config.write_text(f'{config.read_text()}\n{absent}\n')
    tool('train.py', config, '--work-dir', 'run', options=('train_cfg.max_epochs=1',))
    outputs = '--show-dir', 'shown', '--out', 'detections.pkl', '--thresholds', thresholds
    outputs = *outputs, '--calibration', calibration
    args = config, 'run/epoch_1.pth', '--work-dir', 'tested', *outputs
    draw = DetLocalVisualizer.add_datasample
    with mock.patch.object(DetLocalVisualizer, 'add_datasample', autospec=True) as drawn:
        drawn.side_effect = draw
        tool('test.py', *args, options=(*options, 'model.test_cfg.max_per_img=4'))
    assert len(list((tmp_path / 'tested').glob('*/shown/*.png'))) == 8
    assert [call.kwargs['pred_score_thr'] for call in drawn.call_args_list] == [0] * 8
    found = pickle.loads((tmp_path / 'detections.pkl').read_bytes())
    labels = torch.cat([sample['pred_instances']['labels'] for sample in found])
    assert len(labels) > 0 and (labels == 1).all()
    assert all((sample['pred_instances']['scores'] >= 0.5).all() for sample in found)
    # The metric does not overwrite the thresholds that were applied.
    assert json.loads(thresholds.read_text())['thresholds'] == dict(disc=0, square=None)


@pytest.mark.parametrize('name', ['train.py', 'test.py'])
def test_bad_annotations_are_reported_before_anything_runs(tmp_path, config, tool, name):
    (tmp_path / 'annotations.json').write_text('{"images": [')
    checkpoint = tmp_path / 'any.pth'
    checkpoint.touch()
    args = [config, checkpoint] if name == 'test.py' else [config]
    with pytest.raises(SystemExit, match=r'error: .*annotations\.json:\n.*JSON.*line 1'):
        tool(name, *args, '--work-dir', 'run')
    assert not (tmp_path / 'run').exists()


def test_damaged_checkpoint_is_an_error_message(tmp_path, config, tool):
    (tmp_path / 'damaged.pth').write_bytes(b'PK\x03\x04 and so on')
    with pytest.raises(SystemExit, match=r'error: .*damaged\.pth'):
        tool('test.py', config, 'damaged.pth', '--work-dir', 'runs/tested')
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(
    'change, facts',
    [
        (['model.bbox_head.loss_cls.delta=0'], ['delta']),
        (['model.bbox_head.loss_cls.tau=1.0'], ['tau', '1.0']),
        (['train_dataloader.batch_sise=4'], ['train_dataloader.batch_sise', "'batch_size'"]),
        (['train_cfg.max_epoch=4'], ['train_cfg.max_epoch ', "'max_epochs'"]),
        (['train_dataloder.batch_size=4'], ['train_dataloder', "'train_dataloader'"]),
        (['model.bbox_head.anchors=2'], ["'anchors'", 'AnchorHead']),
        (['model.bbox_head.loss_bbox.type=L1Loss'], ['aLRPLoss', 'L1Loss', 'GIoULoss']),
        (['model.bbox_head.loss_cls.type=FocalLoss'], ['ALRPRetinaHead', 'FocalLoss']),
        (['model.bbox_head.type=RetinaHead'], ['RetinaHead', 'aLRPLoss', 'ALRPRetinaHead']),
        (['model.bbox_head.type=GFLHead'], ['GFLHead', 'aLRPLoss', 'another loss_cls']),
    ],
)
def test_wrong_settings_are_an_error_message_before_training(tmp_path, config, tool, change, facts):
    with pytest.raises(SystemExit) as error:
        tool('train.py', config, '--work-dir', 'run', options=change)
    message = str(error.value)
    assert message.startswith('error: ') and '\n' not in message
    assert all(fact in message for fact in facts), message
    assert not (tmp_path / 'run').exists()


def metrics(pattern: Path) -> dict:
    """The last value of each metric that a run logged."""
    (path,) = Path('/').glob(str(pattern.relative_to('/')))
    last = {}
    for line in path.read_text().splitlines():
        last.update(json.loads(line))
    return last


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
