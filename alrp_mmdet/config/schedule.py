"""Checks that the learning rate schedule lasts as long as the training."""

from math import inf

from mmengine.config import Config


def schedule_warnings(cfg: Config) -> list[str]:
    """A warning if all schedulers end before the last epoch, as after a change of ``max_epochs``.

    The remaining epochs would all have the same learning rate, and nothing in the log would tell.

    Args:
        cfg (Config): A config. Only schedulers and trainings that count epochs are compared.
    """
    epochs = (cfg.get('train_cfg') or {}).get('max_epochs')
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        schedulers = [schedulers]
    if epochs is None or not isinstance(schedulers, list | tuple):
        return []
    ends = [s.get('end', inf) for s in schedulers if s.get('by_epoch', True)]
    if not ends or max(ends) >= epochs:
        return []
    return [
        f'param_scheduler ends after epoch {max(ends)}, but max_epochs is {epochs}: the epochs '
        'after it keep the last learning rate. Set its end, too'
    ]
