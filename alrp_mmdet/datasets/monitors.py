"""Checks that evaluators log what hooks wait for: a missing number stops a run after an epoch."""

from collections.abc import Iterator

from mmengine.config import Config

from alrp.text import format_list

from ..evaluation import CocoLRPMetric
from .evaluators import Metric, is_multiple, logged_names, logs_known_numbers, metrics_of


def monitor_problems(cfg: Config) -> list[str]:
    """Numbers that ``save_best`` or ``monitor`` of a hook needs, and ``val_evaluator`` lacks.

    Args:
        cfg (Config): A config of MMDetection.

    Returns:
        list[str]: A sentence for each; empty if it is not known what the evaluator logs.
    """
    evaluator = cfg.get('val_evaluator')
    if not evaluator or is_multiple(evaluator):
        return []
    metrics = [*metrics_of(evaluator, 'val_evaluator')]
    known = all(logs_known_numbers(m.type) and m.prefix is not None for m in metrics)
    if not metrics or not known:
        return []
    names = [f'{m.prefix}/{name}' for m in metrics for name in sorted(_names(m))]
    return [
        f'{setting} is {key!r}, but val_evaluator logs {format_list(names) or "nothing"}'
        for setting, key in _monitored(cfg)
        if key not in names and not any(_is_classwise(key, metric) for metric in metrics)
    ]


def _monitored(cfg: Config) -> Iterator[tuple[str, str]]:
    hooks = [(f'default_hooks.{k}', v) for k, v in (cfg.get('default_hooks') or {}).items()]
    hooks += [(f'custom_hooks[{i}]', v) for i, v in enumerate(cfg.get('custom_hooks') or [])]
    for place, hook in hooks:
        for setting in ('save_best', 'monitor'):
            keys = hook.get(setting) if isinstance(hook, dict) else None
            for key in keys if isinstance(keys, list | tuple) else [keys] if keys else []:
                if key != 'auto':
                    yield f'{place}.{setting}', str(key)


def _names(metric: Metric) -> set[str]:
    names = logged_names(metric) - {'CLASS_precision'}
    if issubclass(metric.type, CocoLRPMetric) and not metric.settings.get('metric_items'):
        first = f'_{metric.type.ap_items[0]}'
        kinds = {name.removesuffix(first) for name in names if name.endswith(first)}
        names |= {f'{kind}_{item}' for kind in kinds for item in metric.type.lrp_items}
    return names


def _is_classwise(key: str, metric: Metric) -> bool:
    """Whether a key may be the number of a class, or one of proposals."""
    prefix, _, name = key.partition('/')
    if prefix != metric.prefix or metric.settings.get('format_only'):
        return False
    if metric.settings.get('classwise') and name.endswith(('_precision', '_oLRP')):
        return True
    return name.startswith('AR@') and 'AR@100' in logged_names(metric)
