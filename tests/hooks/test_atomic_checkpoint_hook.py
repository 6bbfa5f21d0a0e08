from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import MessageHub, MMLogger

from alrp_mmdet.hooks import AtomicCheckpointHook


class Runner(SimpleNamespace):
    """The part of a runner that the hook uses. A checkpoint lists those that existed before it."""

    def save_checkpoint(self, out_dir, filename, *args, **kwargs):
        if self.disk_full:
            raise OSError('No space left on device')
        there = sorted(path.name for path in Path(out_dir).glob('*.pth'))
        Path(out_dir, filename).write_text(' '.join(there))


@pytest.fixture
def runner(tmp_path):
    return Runner(
        work_dir=str(tmp_path),
        logger=MMLogger.get_instance('atomic'),
        message_hub=MessageHub.get_instance(str(tmp_path)),
        epoch=0,
        iter=0,
        disk_full=False,
        model=torch.nn.Linear(2, 1),
    )


def names(tmp_path):
    return sorted(path.name for path in tmp_path.glob('*.pth'))


def test_old_checkpoint_is_removed_after_the_new_one_is_written(tmp_path, runner):
    hook = AtomicCheckpointHook(interval=1, max_keep_ckpts=1)
    hook.before_train(runner)
    for epoch in range(3):
        runner.epoch = epoch
        hook._save_checkpoint(runner)
    assert names(tmp_path) == ['epoch_3.pth']
    assert (tmp_path / 'epoch_3.pth').read_text() == 'epoch_2.pth'
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_3.pth')


def test_old_best_checkpoint_is_removed_after_the_new_one_is_written(tmp_path, runner):
    hook = AtomicCheckpointHook(interval=1, max_keep_ckpts=1, save_best='AP', rule='greater')
    hook.before_train(runner)
    for epoch, ap in enumerate((0.1, 0.2)):
        runner.epoch = epoch
        hook._save_checkpoint(runner)
        runner.epoch = epoch + 1
        hook.after_val_epoch(runner, dict(AP=ap))
    assert names(tmp_path) == ['best_AP_epoch_2.pth', 'epoch_2.pth']
    assert 'best_AP_epoch_1.pth' in (tmp_path / 'best_AP_epoch_2.pth').read_text()


@pytest.mark.parametrize(
    'key, rule, best_epoch',
    [
        ('coco/bbox_oLRP', None, 2),
        ('coco/bbox_laptop_oLRP', None, 2),  # MMEngine takes 'top' for a score
        ('coco/bbox_oLRP', 'greater', 1),
        ('coco/bbox_mAP', None, 1),
        ('auto', None, 2),
    ],
)
def test_lowest_olrp_is_the_best(tmp_path, runner, key, rule, best_epoch):
    hook = AtomicCheckpointHook(interval=1, max_keep_ckpts=1, save_best=key, rule=rule)
    hook.before_train(runner)
    name = 'coco/bbox_oLRP' if key == 'auto' else key
    for epoch, value in enumerate((0.9, 0.7, 0.8), 1):
        runner.epoch = epoch
        hook.after_val_epoch(runner, {name: value})
    assert names(tmp_path) == [f'best_{name.replace("/", "_")}_epoch_{best_epoch}.pth']


@pytest.mark.parametrize('key, kept', [('coco/bbox_mAP', False), ('coco/bbox_mAP_50', True)])
def test_a_resumed_run_does_not_compare_scores_of_two_metrics(tmp_path, runner, key, kept):
    hook = AtomicCheckpointHook(interval=1, save_best='coco/bbox_mAP')
    hook.before_train(runner)
    runner.epoch = 1
    hook.after_val_epoch(runner, {'coco/bbox_mAP': 0.4})
    hook = AtomicCheckpointHook(interval=1, save_best=key)
    hook.before_train(runner)
    runner.epoch = 2
    hook.after_val_epoch(runner, {key: 0.3})
    best = f'best_{key.replace("/", "_")}_epoch_2.pth'
    expected = ['best_coco_bbox_mAP_epoch_1.pth', *([best] if kept else [])]
    assert names(tmp_path) == sorted(expected)


def test_nothing_is_removed_when_saving_fails(tmp_path, runner):
    hook = AtomicCheckpointHook(interval=1, max_keep_ckpts=1)
    hook.before_train(runner)
    hook._save_checkpoint(runner)
    runner.epoch, runner.disk_full = 1, True
    with pytest.raises(OSError, match='No space'):
        hook._save_checkpoint(runner)
    assert names(tmp_path) == ['epoch_1.pth']


def test_weights_with_nan_are_not_saved(tmp_path, runner):
    hook = AtomicCheckpointHook(interval=1, max_keep_ckpts=1)
    hook.before_train(runner)
    hook._save_checkpoint(runner)
    runner.epoch = 1
    torch.nn.init.constant_(runner.model.bias, float('nan'))
    with pytest.raises(FloatingPointError, match=r'^1 tensors .* bias\. .*latest checkpoint'):
        hook._save_checkpoint(runner)
    assert names(tmp_path) == ['epoch_1.pth']
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_1.pth')


def test_buffers_may_be_infinite(tmp_path, runner):
    class WithState(torch.nn.Linear):
        def get_extra_state(self):
            return dict(not_a='tensor')

        def set_extra_state(self, state):
            pass

    runner.model = WithState(1, 1)
    runner.model.register_buffer('mask', torch.tensor([0.0, float('-inf')]))
    hook = AtomicCheckpointHook(interval=1)
    hook.before_train(runner)
    hook._save_checkpoint(runner)
    assert names(tmp_path) == ['epoch_1.pth']
    runner.model.mask[0] = float('nan')
    with pytest.raises(FloatingPointError, match=r'^1 tensors .* mask'):
        hook._save_checkpoint(runner)


def test_a_file_is_replaced_only_when_the_new_one_is_complete(tmp_path, monkeypatch):
    backend = get_file_backend(backend_args=dict(backend='atomic'))
    path = tmp_path / 'deep' / 'epoch_1.pth'
    backend.put(b'old', path)

    for error in (OSError('No space left on device'), KeyboardInterrupt('Ctrl-C')):
        monkeypatch.setattr('os.fsync', mock.Mock(side_effect=error))
        with pytest.raises(type(error), match=r'No space|Ctrl'):
            backend.put(b'new', path)
        assert [file.name for file in path.parent.iterdir()] == ['epoch_1.pth']
        assert path.read_bytes() == b'old'
    monkeypatch.undo()
    backend.put(b'new', path)
    assert path.read_bytes() == b'new'
    assert [file.name for file in path.parent.iterdir()] == ['epoch_1.pth']
