"""Finds misspelt settings in dicts without a class, which code reads by name or not at all."""

import functools
import re
from collections.abc import Iterator
from difflib import get_close_matches

from mmengine.config import Config

from .places import kinds_of
from .signatures import modules_of, source_of
from .types import typed_nodes

# Such dicts, and where in a config they are.
READ_BY_NAME = ('train_cfg', 'test_cfg', 'filter_cfg', 'paramwise_cfg')
NAMES_OF_USERS = ('custom_keys',)
NEAR = 0.85  # similarity of names, of which one is a misspelling of the other


def misspelt_settings(cfg: Config, places: list[str]) -> Iterator[str]:
    """Settings that no class of the config mentions, and that are almost one which it does.

    Others that no class mentions are frequent in published configs, such as ``debug``.

    Args:
        cfg (Config): The config.
        places (list[str]): The top-level keys to look at.

    Yields:
        str: A warning.
    """
    parts = {place: cfg._cfg_dict.get(place) for place in places}
    found = [setting for place, node in parts.items() for setting in _settings(node, place)]
    if not found:
        return
    kinds = [kind for node in typed_nodes([*parts.values()]) for kind in kinds_of(node, '')]
    name = (parts.get('optim_wrapper') or {}).get('constructor', 'DefaultOptimWrapperConstructor')
    kinds += kinds_of(dict(type=name), '')
    words = frozenset[str]().union(*map(_words, {m for kind in kinds for m in modules_of(kind)}))
    for place in found:
        key = place.split('.')[-1]
        near = [] if key in words else get_close_matches(key, words, 1, NEAR)
        if near:
            yield f'no class of the config reads {place}: did you mean {near[0]!r}?'


def _settings(node: object, place: str, by_name: bool = False) -> Iterator[str]:
    """Places of the settings that are read by name, at any depth."""
    if isinstance(node, list | tuple):
        for i, child in enumerate(node):
            yield from _settings(child, f'{place}.{i}', by_name)
    elif isinstance(node, dict):
        inside = by_name and 'type' not in node
        for key, child in dict.items(node):
            if inside:
                yield f'{place}.{key}'
            if key not in NAMES_OF_USERS:
                yield from _settings(child, f'{place}.{key}', inside or key in READ_BY_NAME)


@functools.cache
def _words(module: str) -> frozenset[str]:
    return frozenset(re.findall(r'\w+', source_of(module)))
