"""Finds settings that no class takes, such as misspelt ones, before anything is built.

MMEngine builds data loaders, loops and schedulers only when a run starts. Its errors do not say
where in the config a setting is, and some misspelt settings have no effect and no error at all.
"""

import logging
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from mmengine.config import Config
from mmengine.logging import print_log

from alrp.text import did_you_mean

from ..errors import rank
from .file import ConfigError
from .settings_taken import READERS, kinds_of, taken_at
from .signatures import modules_of, source_of
from .types import SCOPES
from .unread_settings import NEAR, misspelt_settings

OF_SPLIT = ('dataloader', 'cfg', 'evaluator')
OF_TRAINING = ('optim_wrapper', 'param_scheduler', 'auto_scale_lr')
COMMON = (
    'model',
    'data_preprocessor',
    'default_hooks',
    'custom_hooks',
    'visualizer',
    'log_processor',
    'model_wrapper_cfg',
    'randomness',
    'env_cfg',
    'custom_imports',
    'tta_model',
    'tta_pipeline',
)
NEED_TYPES = ('default_hooks', 'custom_hooks', 'param_scheduler')


def check_settings(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check that the settings for a run are known to the classes that they are for.

    Args:
        cfg (Config): The config.
        splits (tuple[str, ...]): The splits in use, of ``train``, ``val`` and ``test``.

    Raises:
        ConfigError: If a class does not know a setting. Lists all such settings, with the names
            that may have been meant. Those of classes that pass any setting on are only warned of,
            if they look misspelt.
    """
    places = [*COMMON, *(f'{split}_{part}' for split in splits for part in OF_SPLIT)]
    places += OF_TRAINING if 'train' in splits else ()
    if 'runner_type' in cfg:  # which may read the other places in its own way
        places = ['model']
    refused, doubtful = [*_without_type(cfg, places)], []
    for place in places:
        for problem, is_certain in _problems(cfg._cfg_dict.get(place), place, []):
            (refused if is_certain else doubtful).append(problem)
    doubtful += misspelt_settings(cfg, places)
    if rank() == 0:
        for problem in dict.fromkeys(doubtful):
            print_log(problem, logger='current', level=logging.WARNING)
    if refused:
        raise ConfigError('; '.join(dict.fromkeys(refused)))


def _without_type(cfg: Config, places: list[str]) -> Iterator[str]:
    """Hooks and schedulers without a type, such as one that was added by a misspelt name."""
    for place in filter(NEED_TYPES.__contains__, places):
        found = cfg.get(place) or {}
        entries = dict(found if isinstance(found, dict) else enumerate(found))
        if 'type' in entries:  # a single scheduler
            continue
        lacking = [k for k, v in entries.items() if isinstance(v, dict) and not v.get('type')]
        for key in lacking:
            others = [k for k in entries if k not in lacking and isinstance(k, str)]
            yield f'{place}.{key} has no type{did_you_mean(str(key), others)}'


def _problems(node: object, place: str, above: list[type | Callable]) -> Iterator[tuple[str, bool]]:
    """Problems below a place of the config, and whether they are certain.

    Args:
        node (object): What is there.
        place (str): Keys from the top of the config, joined by dots, as in ``--cfg-options``.
        above (list): The classes that build what is there.
    """
    if isinstance(node, list | tuple):
        for i, child in enumerate(node):
            yield from _problems(child, f'{place}.{i}', above)
    elif isinstance(node, dict) and dict.get(node, '_scope_') in SCOPES:
        kinds = kinds_of(node, place)
        if kinds or place in READERS:
            yield from _unknown(node, place, kinds, above)
        for key, child in dict.items(node):  # ConfigDict.items would import classes
            yield from _problems(child, f'{place}.{key}', above + kinds)


def _unknown(node: dict, place: str, kinds: list, above: list) -> Iterator[tuple[str, bool]]:
    names, is_open = taken_at(place, kinds)
    name = ' or '.join(dict.fromkeys(kind.__name__ for kind in kinds)) or 'the runner'
    for key in node.keys() - names:
        text = f'{place}.{key} is not a setting of {name}{did_you_mean(key, names)}'
        if not is_open and not _is_read_by(above, key):
            yield text, True
        elif is_open and get_close_matches(key, names, 1, NEAR):
            yield text, False


def _is_read_by(kinds: list[type | Callable], key: str) -> bool:
    """Whether a class mentions a setting: it may take it out before it builds what is below."""
    modules = {module for kind in kinds for module in modules_of(kind)}
    return any(re.search(rf'[\'"]{re.escape(key)}[\'"]', source_of(name)) for name in modules)
