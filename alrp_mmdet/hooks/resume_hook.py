from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop

from ..config.nodes import dicts
from ..models.losses.self_balance import START_WEIGHT
from ..transfer.checkpoint_config import read_model_cfg
from ..transfer.resuming import apply_settings, check_resumable


@HOOKS.register_module()
class ResumeHook(Hook):
    """Resumes a run with the optimizer settings and schedule of the current config.

    MMEngine takes them from the checkpoint, so that another learning rate, batch size, weight decay
    or schedule in the config would have no effect. A warning lists what changed. Schedules continue
    as if the run had used them from the start; momentum is kept.

    Two settings are not applied, with a warning: the seed, and ``start_weight`` of ``SelfBalance``,
    whose weight is in the checkpoint. Another warning says when nothing is left to train.

    Raises:
        CheckpointError: If the checkpoint has weights, but not the state of a run.
    """

    priority = 'NORMAL'  # after FineTuneHook, which refuses checkpoints that do not fit

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Apply the config to a checkpoint that is resumed."""
        loop = runner._train_loop
        if not runner._resume or not isinstance(loop, BaseLoop):
            return
        filename = runner._load_from or 'the checkpoint'
        check_resumable(checkpoint, filename)
        schedulers = runner.param_schedulers or []
        if isinstance(runner.optim_wrapper, OptimWrapper) and isinstance(schedulers, list):
            changes = apply_settings(checkpoint, runner.optim_wrapper, schedulers, loop)
            if changes:
                runner.logger.warning(
                    f'The resumed run differs from the earlier one: {"; ".join(changes)}'
                )
        for text in _not_applied(runner, checkpoint):
            runner.logger.warning(f'Not applied to a resumed run: {text}')
        done, end, unit = checkpoint['meta']['iter'], loop.max_iters, 'iters'
        if isinstance(loop, EpochBasedTrainLoop):
            done, end, unit = checkpoint['meta']['epoch'], loop.max_epochs, 'epochs'
        if done >= end:
            runner.logger.warning(
                f'nothing left to train: {filename} has completed {done} of {end} {unit}. To train '
                f'longer, increase max_{unit} in the config file, and the end of param_scheduler '
                'there if it is not made from it'
            )


def _not_applied(runner, checkpoint: dict) -> list[str]:
    """Changed settings whose value in the checkpoint wins."""
    seeds = checkpoint['meta'].get('seed'), runner._randomness_cfg.get('seed')
    texts = (
        [] if None in seeds or seeds[0] == seeds[1] else ['randomness.seed {} -> {}'.format(*seeds)]
    )
    old, new = _start_weights(read_model_cfg(checkpoint)), _start_weights(runner.cfg.get('model'))
    return texts + [
        f'{path} {old[path]:g} -> {new[path]:g}'
        for path in new
        if path in old and old[path] != new[path]
    ]


def _start_weights(model: dict | None) -> dict[str, float]:
    """``start_weight`` of every ``self_balance`` in a config, by its place."""
    weights = {}
    for place, node in dicts(model, 'model'):
        if place.endswith('.loss_cls'):
            weight = (node.get('self_balance') or {}).get('start_weight', START_WEIGHT)
            weights[f'{place}.self_balance.start_weight'] = weight
    return weights
