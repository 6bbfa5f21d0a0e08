"""Finds misspelt settings before a run: many would have no effect and no error."""

import functools
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from itertools import chain
from types import FunctionType

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import Registry
from mmengine.runner import Runner

from ..errors import rank
from ..registry import REGISTRIES, SCOPE
from .file import ConfigError
from .options import KNOWN
from .types import SCOPES, STACK, typed_nodes

READ_BY_ALL = Runner, DefaultOptimWrapperConstructor
OF_TRAINING = ('train_', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr')
OTHER_NAMES = ('custom_keys', 'metainfo')  # whose keys the user chooses
OTHER_CLASSES = 'Albu', 'Detectron2Wrapper'  # whose settings are those of another library
NEAR = 0.85  # similarity of names, of which one is a misspelling of the other


def check_settings(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check the names of settings.

    A setting is misspelt if no code that may read it mentions its name, but a very similar one:
    the code of the runner, of the classes in the config, and what these import.

    Args:
        cfg (Config): The config.
        splits (tuple[str, ...]): The splits in use, of ``train``, ``val`` and ``test``.

    Raises:
        ConfigError: If settings are misspelt. There is only a warning if the config has classes of
            the user, whose code may read settings in ways that cannot be followed.
    """
    if cfg.get('default_scope') not in SCOPES:
        return  # of another library, which has classes of the same names
    unused = [f'{split}_' for split in ('val', 'test') if split not in splits]
    unused += OF_TRAINING if 'train' not in splits else ()
    in_use = [name for name in cfg if name in KNOWN and not name.startswith(tuple(unused))]
    parts = {name: cfg._cfg_dict[name] for name in in_use}
    classes = [*READ_BY_ALL, *_classes(parts)]
    modules = _modules_of(classes)
    for _ in range(2):  # what they import, and what that imports
        modules |= _modules_of(chain(*map(_objects, modules)))
    words = frozenset(chain(*map(_words, modules)))
    problems = [
        f'nothing reads {place} of the config: did you mean {near[0]!r}?'
        for place in _settings(parts)
        if len(key := place.split('.')[-1]) > 3  # shorter names are similar by chance
        and key not in words
        and (near := get_close_matches(key, words, 1, NEAR))
    ]
    if problems and _in_stack(classes):
        raise ConfigError('; '.join(problems))
    if rank() == 0:
        for problem in problems:
            print_log(problem, logger='current', level=logging.WARNING)


def _settings(node: object, place: str = '') -> Iterator[str]:
    """Places of all settings: keys from the top, joined by dots, as in ``--cfg-options``."""
    if isinstance(node, list | tuple):
        for i, child in enumerate(node):
            yield from _settings(child, f'{place}{i}.')
    elif isinstance(node, dict) and dict.get(node, '_scope_') in SCOPES:
        kind = dict.get(node, 'type')
        if kind in OTHER_CLASSES:
            return
        is_known = kind is None or any(_found(kind))  # others are read by code that we don't know
        for key, child in dict.items(node):  # ConfigDict.items would import classes
            if is_known and str(key).isidentifier():
                yield place + key
            if key not in OTHER_NAMES:
                yield from _settings(child, f'{place}{key}.')


def _classes(parts: dict) -> Iterator[type | Callable]:
    """All classes and functions that the config names."""
    kinds = [dict.get(node, 'type') for node in typed_nodes(parts)]
    kinds += [parts.get('runner_type'), (parts.get('optim_wrapper') or {}).get('constructor')]
    for kind in kinds:
        yield from _found(kind)


def _found(kind: object) -> Iterator[type | Callable]:
    """The classes and functions for a type; a name may be in several registries."""
    if isinstance(kind, str):
        yield from filter(None, (_registered(where, kind) for where in REGISTRIES))
    elif callable(kind):
        yield kind


def _registered(where: Registry, name: str) -> type | Callable | None:
    """Like ``where.get``, but does not try to import a module of this name."""
    if '.' in name:
        return where.get(name)
    where.import_from_location()
    known = where.module_dict.get(name)
    return _registered(where.parent, name) if known is None and where.parent else known


def _modules_of(classes: Iterable[type | Callable]) -> set[str]:
    """Names of the modules that define classes with their base classes, or functions."""
    owners = {owner for kind in classes for owner in getattr(kind, '__mro__', [kind])}
    return {getattr(owner, '__module__', None) or 'builtins' for owner in owners} - {'builtins'}


def _in_stack(classes: Iterable[type | Callable]) -> bool:
    """Whether all classes are MMDetection's or ours, also their base classes: known code."""
    packages = {module.split('.')[0] for module in _modules_of(classes)}
    return packages <= {*STACK, SCOPE, *sys.stdlib_module_names}


def _objects(module: str) -> Iterator[type | FunctionType]:
    """The classes and functions in a module, unless it is PyTorch's or Python's."""
    if module.split('.')[0] not in {'torch', *sys.stdlib_module_names}:
        content = vars(sys.modules.get(module, object))
        yield from (x for x in content.values() if isinstance(x, type | FunctionType))


@functools.cache
def _words(module: str) -> frozenset[str]:
    try:
        return frozenset(re.findall(r'\w+', inspect.getsource(sys.modules[module])))
    except (KeyError, OSError, TypeError):  # in C, or without a file
        return frozenset()
