"""A resumed run ends like an uninterrupted run."""

import errno
import json
import os
import signal
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from run_helpers import StoppedError, derived, log_of

ROOT = Path(__file__).parents[2]


@HOOKS.register_module(force=True)
class InterruptForTest(Hook):
    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter + 1 == 6:
            raise KeyboardInterrupt


# To resume by iteration, onedl-mmengine skips past images without loading them. The random numbers
# of an augmentation would then differ from an uninterrupted run.
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
DATASET = dict(pipeline=PIPELINE) if hasattr(InfiniteSampler, 'skip') else {}
BY_ITERATION = f"""
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=9, val_interval=4)
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True), dataset={DATASET})
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=9, by_epoch=False, milestones=[7])]
model = dict(bbox_head=dict(loss_cls=dict(self_balance=dict(interval=2))))
log_processor = dict(by_epoch=False)
"""


# An epoch has four steps: stop in the second, and at its end. By iteration: stop in an epoch.
@pytest.mark.slow
@pytest.mark.parametrize('num_workers', [0, 1])
@pytest.mark.parametrize(
    'change, stop_after, last',
    [
        ('', 6, 'epoch_3.pth'),
        ('', 9, 'epoch_3.pth'),
        (BY_ITERATION, 5, 'iter_9.pth'),
    ],
)
def test_resumed_run_ends_with_the_same_weights(
    tmp_path, config, tool, change, stop_after, last, num_workers
):
    whole = derived(config, 'whole', change)
    stop = f"[dict(type='EpochSeedHook'), dict(type='StopForTest', after={stop_after})]"
    stopped = derived(whole, 'stopped', f'custom_hooks = {stop}')
    workers = (f'train_dataloader.num_workers={num_workers}',)

    tool('train.py', whole, '--work-dir', 'whole', options=workers)
    with pytest.raises(StoppedError):
        tool('train.py', stopped, '--work-dir', 'parts', options=workers)
    tool('train.py', whole, '--work-dir', 'parts', '--resume', options=workers)

    whole, parts = (torch.load(tmp_path / d / last)['state_dict'] for d in ('whole', 'parts'))
    differing = [name for name in whole if not torch.equal(whole[name], parts[name])]
    assert not differing
    weight = whole['bbox_head.loss_cls.self_balance.weight']
    assert weight.isfinite() and weight != 50  # so that the comparison includes self-balance
    assert 'resumed epoch' in log_of(tmp_path / 'parts')


@pytest.mark.slow
def test_run_killed_while_writing_a_checkpoint_resumes(tmp_path, config, tool, command):
    config = derived(config, 'one', 'default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))')
    (tmp_path / 'killer.py').write_text(
        'import os, pathlib, signal\n'
        'open_ = pathlib.Path.open\n'
        'def open_and_die(self, *args, **kwargs):\n'
        '    file = open_(self, *args, **kwargs)\n'
        "    if self.name.startswith('epoch_2.pth'):\n"
        "        file.write(b'half a checkpoint')\n"
        '        file.flush()\n'
        '        os.kill(os.getpid(), signal.SIGKILL)\n'
        '    return file\n'
        'pathlib.Path.open = open_and_die\n'
    )
    imports = "custom_imports = dict(imports=['alrp_mmdet', 'killer'])"
    killed = derived(config, 'killed', imports)
    result = command(sys.executable, ROOT / 'tools' / 'train.py', killed, '--work-dir', 'run')
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert checkpoints(tmp_path / 'run') == ['epoch_1.pth', 'epoch_2.pth.partial']

    tool('train.py', config, '--work-dir', 'run', '--resume')
    assert 'resumed epoch: 1' in log_of(tmp_path / 'run')
    assert checkpoints(tmp_path / 'run') == ['epoch_3.pth']


@pytest.mark.slow
def test_checkpoints_of_an_earlier_run_are_warned_of(tmp_path, config, tool, capsys):
    one = ('train_cfg.max_epochs=1',)
    tool('train.py', config, '--work-dir', 'run', options=one)
    assert 'warning: run' not in capsys.readouterr().out
    tool('train.py', config, '--work-dir', 'run', options=one)
    [line] = [line for line in capsys.readouterr().out.splitlines() if 'warning: run' in line]
    assert 'epoch_1.pth' in line and '--resume' in line


def test_resume_without_a_checkpoint_starts_from_scratch(tmp_path, config, tool, capsys):
    one = ('train_cfg.max_epochs=1',)
    tool('train.py', config, '--work-dir', 'run', '--resume', options=one)
    [line] = [line for line in capsys.readouterr().out.splitlines() if 'to resume from' in line]
    assert 'no checkpoint' in line and ' run ' in line
    assert checkpoints(tmp_path / 'run') == ['epoch_1.pth']


def checkpoints(work_dir: Path) -> list[str]:
    return sorted(path.name for path in work_dir.glob('epoch_*'))


def test_config_text_in_a_checkpoint_is_not_run(tmp_path, config, tool):
    stop = "[dict(type='EpochSeedHook'), dict(type='StopForTest', after=6)]"
    stopped = derived(config, 'stopped', f'custom_hooks = {stop}')
    with pytest.raises(StoppedError):
        tool('train.py', stopped, '--work-dir', 'run')
    path = tmp_path / 'run' / (tmp_path / 'run' / 'last_checkpoint').read_text().split('/')[-1]
    checkpoint = torch.load(path)
    checkpoint['meta']['config'] = f"import os\nos.mkdir('{tmp_path / 'was_run'}')"
    torch.save(checkpoint, path)

    tool('train.py', config, '--work-dir', 'run', '--resume')
    assert not (tmp_path / 'was_run').exists()
    assert (tmp_path / 'run' / 'epoch_3.pth').exists()


@pytest.mark.slow
def test_a_resumed_run_takes_the_settings_of_the_config(tmp_path, config, tool):
    """Learning rate, batch size and clipping are applied, and the log says what changed."""
    scaled = 'auto_scale_lr = dict(enable=True, base_batch_size=2)'
    config = derived(config, 'scaled', scaled)
    tool('train.py', config, '--work-dir', 'run', options=('train_cfg.max_epochs=1',))
    options = (
        'optim_wrapper.optimizer.lr=0.001',
        'train_dataloader.batch_size=4',
        'optim_wrapper.clip_grad.max_norm=1e-9',
        'train_cfg.max_epochs=2',
    )
    tool('train.py', config, '--work-dir', 'run', '--resume', options=options)
    log = log_of(tmp_path / 'run')
    [line] = [line for line in log.splitlines() if 'differs from the earlier' in line]
    assert 'lr 0.01 -> 0.002' in line and 'iterations per epoch 4 -> 2' in line
    assert 'lr: 2.0000e-03' in log
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_2.pth')
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(0.0002)  # milestone
    assert checkpoint['meta']['iter'] == 4
    before = torch.load(tmp_path / 'run' / 'epoch_1.pth')
    name = 'bbox_head.retina_cls.weight'
    moved = (checkpoint['state_dict'][name] - before['state_dict'][name]).abs().max()
    states = before['optimizer']['state'].values()
    momentum = max(state['momentum_buffer'].abs().max() for state in states)
    assert 0 < moved <= 0.002 * (0.9 + 0.81) * momentum * 1.01  # gradients are clipped to nothing

    tool('train.py', config, '--work-dir', 'run', '--resume', options=options)
    [line] = [x for x in log_of(tmp_path / 'run').splitlines() if 'nothing left to train' in x]
    assert 'epoch_2.pth' in line and '2 of 2' in line and 'max_epochs' in line


@pytest.mark.parametrize(
    'old, new, facts',
    [
        ("('square', 'disc')", "('square', 'disc', 'ring')", ('2 classes', '3 in the model')),
        ("('square', 'disc')", "('disc', 'square')", ('order', 'square, disc')),
    ],
)
def test_other_classes_cannot_be_resumed(tmp_path, config, tool, old, new, facts):
    text = config.read_text()
    cfg = Config.fromfile(config)
    init_default_scope('mmdet')
    meta = dict(epoch=1, iter=4, dataset_meta=dict(classes=('square', 'disc')))
    state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(meta=meta, state_dict=state, message_hub={}), tmp_path / 'epoch_1.pth')
    content = json.loads((tmp_path / 'annotations.json').read_text())
    names = eval(new)
    content['categories'] = [
        dict(id=1 + ['square', 'disc', 'ring'].index(name), name=name) for name in names
    ]
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    text = text.replace(old, new).replace('num_classes=2', f'num_classes={len(names)}')
    config.write_text(text)
    with pytest.raises(SystemExit) as error:
        tool('train.py', config, '--work-dir', 'run', '--resume', 'epoch_1.pth')
    message = str(error.value)
    assert message.startswith('error: ') and '\n' not in message
    assert all(fact in message for fact in ('epoch_1.pth', *facts))


@pytest.mark.slow
def test_an_interrupted_run_and_a_full_disk_say_how_to_go_on(
    tmp_path, config, tool, capsys, monkeypatch
):
    change = "custom_hooks = [dict(type='InterruptForTest')]"
    interrupted = derived(config, 'interrupted', change)
    with pytest.raises(SystemExit) as stopped:
        tool('train.py', interrupted, '--work-dir', 'run')
    assert stopped.value.code == 130
    [line] = [x for x in capsys.readouterr().err.splitlines() if x.startswith('error: ')]
    assert 'Ctrl-C' in line and 'epoch_1.pth' in line and '--resume' in line

    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        patch.setattr('os.fsync', mock.Mock(side_effect=full))
        with pytest.raises(SystemExit) as stopped:
            tool('train.py', config, '--work-dir', 'run', '--resume')
    message = str(stopped.value)
    assert all(x in message for x in ('error: ', 'No space', 'epoch_1.pth', '--resume'))
    assert checkpoints(tmp_path / 'run') == ['epoch_1.pth']

    tool('train.py', config, '--work-dir', 'run', '--resume')
    assert checkpoints(tmp_path / 'run') == ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']
