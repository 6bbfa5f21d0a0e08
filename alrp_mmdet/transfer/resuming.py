"""Resume a run with the optimizer settings and schedule of the current config.

MMEngine restores learning rate, weight decay, momentum and schedule from the checkpoint, without a
word about a config that has other values.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import BaseLoop, EpochBasedTrainLoop

from alrp.text import format_list

from .checkpoint_config import as_lists
from .safe_loading import CheckpointError

# Of a schedule: what changes from step to step.
_PROGRESS = ('last_step', '_global_step', '_last_value', 'base_values', 'verbose')
# Set by schedules: initial_lr, max_lr, min_lr.
_SCHEDULED = ('initial_', 'max_', 'min_')


def check_resumable(checkpoint: dict, filename: str) -> None:
    """Refuse a checkpoint that has weights, but not the state of a run.

    Raises:
        CheckpointError: If the epoch, the iteration or the log history is missing.
    """
    meta = checkpoint.get('meta')
    missing = [key for key in ('epoch', 'iter') if not (isinstance(meta, dict) and key in meta)]
    if missing or 'message_hub' not in checkpoint:
        lacks = [f"meta['{key}']" for key in missing] or ["'message_hub'"]
        raise CheckpointError(
            f'{filename} cannot be resumed: it has no {format_list(lacks)}, so it is not a '
            'checkpoint of a run of MMDetection 3. To start a new run from its weights, set '
            'load_from and train without --resume'
        )


def apply_settings(
    checkpoint: dict,
    optim_wrapper: OptimWrapper,
    schedulers: Sequence[_ParamScheduler],
    loop: BaseLoop,
) -> list[str]:
    """Replace the optimizer settings and schedules of a checkpoint if the config has others.

    Schedules continue as if the run had used those of the config from the start. The state of the
    optimizer, such as momentum, is kept if it still fits. An epoch that was interrupted starts
    again, as MMEngine does it, also for ``meta['iter']`` and the schedules; weights, momentum and
    self-balance keep its steps. Without changes, the checkpoint is not touched.

    Args:
        checkpoint (dict): The checkpoint to resume.
        optim_wrapper (OptimWrapper): The optimizer of the config, before its first step. Used to
            compute the schedule.
        schedulers (Sequence[_ParamScheduler]): Its schedules, before their first step.
        loop (BaseLoop): The training loop.

    Returns:
        list[str]: A clause for each change.
    """
    saved = checkpoint.get('optimizer')
    saved_schedulers = checkpoint.get('param_schedulers') or []
    new_groups = optim_wrapper.optimizer.param_groups
    if isinstance(saved, dict) and 'param_groups' in saved:
        old_groups, kept = saved['param_groups'], ''
        if [len(g['params']) for g in old_groups] != [len(g['params']) for g in new_groups]:
            kept = 'other groups of parameters (paramwise_cfg, or layers that are frozen)'
        elif _is_other_optimizer(old_groups[0], new_groups[0]):
            kept = f'another optimizer ({type(optim_wrapper.optimizer).__name__})'
        changes = [] if kept else _changed_settings(old_groups, new_groups)
        reset = [f'{kept}: momentum and other states of the optimizer start from zero'] * bool(kept)
    else:
        changes, saved = [], {}
        reset = ['no optimizer in the checkpoint: its momentum and other states start from zero']
    changes += _changed_schedules(saved_schedulers, schedulers)
    changes += _changed_epoch(checkpoint, loop)
    if not (changes or reset):
        return []
    if any(getattr(s, 'need_val_args', False) for s in schedulers) and not reset:
        return _without_schedule(saved, new_groups, changes)
    _fast_forward(optim_wrapper, schedulers, checkpoint['meta'], loop)
    fresh = optim_wrapper.state_dict()
    fresh.pop('loss_scaler', None)
    if not reset:
        fresh.pop('state')
    checkpoint['optimizer'] = {**saved, **fresh}
    checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in schedulers]
    return [*changes, *reset]


def _is_other_optimizer(old: dict, new: dict) -> bool:
    """Whether a group has settings that the class of the optimizer does not know."""
    return any(key not in new and not key.startswith(_SCHEDULED) for key in old)


def _settings(group: dict) -> dict:
    """The settings of a group before any schedule."""
    base = {k: v for k, v in group.items() if k != 'params' and not k.startswith(_SCHEDULED)}
    initial = {k.removeprefix('initial_'): v for k, v in group.items() if k.startswith('initial_')}
    return {**base, **initial}


def _changed_settings(old_groups: list[dict], new_groups: list[dict]) -> list[str]:
    changes = {}
    for old, new in zip(map(_settings, old_groups), map(_settings, new_groups)):
        for key in old.keys() & new.keys():
            if as_lists(old[key]) != as_lists(new[key]):
                changes.setdefault(key, []).append(f'{_text(old[key])} -> {_text(new[key])}')
    return [f'{key} {format_list(dict.fromkeys(values), 3)}' for key, values in changes.items()]


def _changed_schedules(saved: list[dict], schedulers: Sequence[_ParamScheduler]) -> list[str]:
    if len(saved) != len(schedulers):
        names = format_list(type(scheduler).__name__ for scheduler in schedulers) or 'none'
        return [f'param_scheduler has {len(saved)} -> {len(schedulers)} entries ({names})']
    return [text for old, new in zip(saved, schedulers) for text in _schedule_changes(old, new)]


def _schedule_changes(old: dict, scheduler: _ParamScheduler) -> Iterator[str]:
    new, name = scheduler.state_dict(), type(scheduler).__name__
    # Plateau schedules have more progress, such as the best score.
    ignored = (*_PROGRESS, 'best', 'cooldown_counter', 'num_bad_epochs')
    if old.keys() != new.keys():
        yield f'param_scheduler has another {name}'
        return
    for key in new:
        if key not in ignored and as_lists(old[key]) != as_lists(new[key]):
            yield f'{name}.{key} {_text(old[key])} -> {_text(new[key])}'


def _changed_epoch(checkpoint: dict, loop: BaseLoop) -> list[str]:
    """Count iterations by the current length of an epoch, from the start of an epoch."""
    if not isinstance(loop, EpochBasedTrainLoop):
        return []
    meta, new = checkpoint['meta'], len(loop.dataloader)
    epoch, iteration = meta['epoch'], meta['iter']
    info = (checkpoint.get('message_hub') or {}).get('runtime_info') or {}
    old = iteration // epoch if epoch else new
    if info.get('max_epochs') and info.get('max_iters'):
        old = info['max_iters'] // info['max_epochs']
    meta['iter'] = epoch * new  # MMEngine starts there, but would count from `iteration`
    changes = [f'iterations per epoch {old} -> {new}'] if epoch and old != new else []
    if iteration > epoch * old:
        changes.append(f'epoch {epoch + 1} starts again, as it was interrupted')
    return changes


def _fast_forward(
    optim_wrapper: OptimWrapper, schedulers: Sequence[_ParamScheduler], meta: dict, loop: BaseLoop
) -> None:
    """Step schedules as often as a run with this config would have."""
    epoch_length = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else 0
    remaining = meta['iter']
    with warnings.catch_warnings():  # the optimizer has made no step
        warnings.simplefilter('ignore')
        for _ in range(meta['epoch']):
            _step_all(schedulers, min(epoch_length, remaining), by_epoch=False)
            remaining -= min(epoch_length, remaining)
            _step_all(schedulers, 1, by_epoch=True)
        _step_all(schedulers, remaining, by_epoch=False)


def _step_all(schedulers: Sequence[_ParamScheduler], steps: int, by_epoch: bool) -> None:
    active = [s for s in schedulers if s.by_epoch == by_epoch]
    for _ in range(steps):
        for scheduler in active:
            scheduler.step()


def _without_schedule(saved: dict, new_groups: list[dict], changes: list[str]) -> list[str]:
    """Keep what depends on earlier validations; apply the settings that no schedule changes."""
    for old, new in zip(saved['param_groups'], new_groups):
        scheduled = {k.removeprefix('initial_') for k in (*old, *new) if k.startswith('initial_')}
        for key in _settings(new).keys() & old.keys() - scheduled:
            old[key] = new[key]
    return [
        *changes,
        'NOT applied to what a schedule changes, such as lr: with ReduceOnPlateauLR it depends on '
        'earlier validations. To change it, set load_from and start a new run',
    ]


def _text(value: object) -> str:
    if isinstance(value, Counter):  # milestones
        value = sorted(value.elements())
    return f'{value:g}' if isinstance(value, float) else f'{value}'
