"""Finds parts of a config."""

from collections.abc import Iterator


def heads_of(node, path: str) -> Iterator[tuple[str, int]]:
    """Path and number of classes of every ``bbox_head`` and ``mask_head``, alone or in a list."""
    if isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from heads_of(child, f'{path}[{i}]')
    elif isinstance(node, dict):
        head = path.split('.')[-1].startswith(('bbox_head', 'mask_head'))
        if head and 'num_classes' in node:
            yield path, node['num_classes']
        for key, child in node.items():
            yield from heads_of(child, f'{path}.{key}')
