"""Finds settings that no class takes, such as misspelt ones, before anything is built.

MMEngine builds data loaders, loops and schedulers only when a run starts. Its errors do not say
where in the config a setting is, and some misspelt settings have no effect and no error at all.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from mmengine.config import Config
from mmengine.logging import print_log

from alrp.text import did_you_mean

from ..errors import rank
from ..registry import SCOPE
from .file import ConfigError
from .places import OF_REGISTRY, READERS, kinds_of, taken_at
from .signatures import modules_of, source_of
from .types import SCOPES, STACK
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
OTHER_TYPES_BELOW = ('Albu',)  # whose transforms are albumentations' own


def check_settings(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check that the settings for a run are known to the classes that they are for.

    Args:
        cfg (Config): The config.
        splits (tuple[str, ...]): The splits in use, of ``train``, ``val`` and ``test``.

    Raises:
        ConfigError: If a class does not know a setting. Lists all such settings, with the names
            that may have been meant. There is only a warning, and only if a setting looks misspelt,
            where other code may read it: classes that pass any setting on, or classes of users.
    """
    if cfg.get('default_scope') not in SCOPES:
        return  # of another library, which has classes of the same names
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
        if place == 'optim_wrapper' and 'constructor' in node:
            if 'optimizer' not in node:
                return  # one setting per optimizer, which the constructor reads
            above = kinds_of(dict(type=node['constructor']), '')
        if kinds or place in READERS:
            yield from _unknown(node, place, kinds, above)
        if any(_name(kind) in OTHER_TYPES_BELOW for kind in kinds):
            return
        for key, child in dict.items(node):  # ConfigDict.items would import classes
            yield from _problems(child, f'{place}.{key}', above + kinds)


def _unknown(node: dict, place: str, kinds: list, above: list) -> Iterator[tuple[str, bool]]:
    names, is_open = taken_at(place, kinds)
    known = names - OF_REGISTRY
    name = ' or '.join(dict.fromkeys(map(_name, kinds))) or 'the runner'
    for key in [key for key in dict.keys(node) if key not in names]:
        text = f'{place}.{key} is not a setting of {name}{did_you_mean(key, known)}'
        if not is_open and _in_stack(above + kinds) and not _is_read_by(above, key):
            yield text, True
        elif get_close_matches(key, known, 1, NEAR):
            yield text, False


def _name(kind: type | Callable) -> str:
    return getattr(kind, '__name__', repr(kind))


def _in_stack(kinds: list[type | Callable]) -> bool:
    """Whether classes are MMDetection's or ours, with their base classes: code that is known."""
    modules = {module.split('.')[0] for kind in kinds for module in modules_of(kind)}
    return modules <= {*STACK, SCOPE, *sys.stdlib_module_names}


def _is_read_by(kinds: list[type | Callable], key: str) -> bool:
    """Whether a class mentions a setting: it may take it out before it builds what is below."""
    modules = {module for kind in kinds for module in modules_of(kind)}
    return any(re.search(rf'[\'"]{re.escape(key)}[\'"]', source_of(name)) for name in modules)
