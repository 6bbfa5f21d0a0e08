"""Finds parts of a config. Places are keys joined by dots, as in ``--cfg-options``."""

import re
from collections.abc import Iterator


def dicts(node: object, place: str) -> Iterator[tuple[str, dict]]:
    """Place and content of every dict in a config, the outer ones first."""
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    elif isinstance(node, dict):
        yield place, node
    else:
        return
    for key, child in dict.items(node):  # ConfigDict.items would import classes
        yield from dicts(child, f'{place}.{key}')


def heads_of(model: dict) -> Iterator[tuple[str, int]]:
    """Place and number of classes of every ``bbox_head`` and ``mask_head``, alone or in a list."""
    for place, node in dicts(model, 'model'):
        if re.search(r'\.(bbox|mask)_head[^.]*[.\d]*$', place) and 'num_classes' in node:
            yield place, node['num_classes']
