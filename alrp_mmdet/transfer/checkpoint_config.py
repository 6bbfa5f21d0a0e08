"""Read the config text in a checkpoint without running it."""

import ast
from collections.abc import Iterable, Iterator

# Settings that change the meaning of weights or images, but not the shapes of weights.
DECODING = (
    'target_means',
    'target_stds',
    'octave_base_scale',
    'scales_per_octave',
    'scales',
    'ratios',
    'strides',
    'base_edge_list',
    'featmap_strides',
    'style',
    'mean',
    'std',
    'bgr_to_rgb',
    'rgb_to_bgr',
)
NOT_LITERAL = object()


def parse_literals(text: str) -> dict:
    """Parse the top-level settings of a config that are literals. No code is run.

    ``dict(key=value)``, the way MMDetection writes configs, counts as a literal.

    Args:
        text (str): The config.

    Returns:
        dict: Values by name. Entries that are not literals are omitted at any depth, and so are
        lists with such an entry.

    Raises:
        ValueError: If the text is not valid Python.
    """
    try:
        return _literals(
            (target.id, node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f'the config text is not valid Python ({type(error).__name__})') from None


def trained_config(checkpoint: object) -> tuple[dict, str | None]:
    """Read the config text in a checkpoint. It is parsed, not run.

    Args:
        checkpoint (object): Content of the file, from ``CheckpointLoader``.

    Returns:
        tuple[dict, str | None]: The settings and None; or, if there is no readable model, an empty
        dict and the problem.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    text = meta.get('cfg', meta.get('config_text'))
    if not isinstance(text, str):
        return {}, 'the checkpoint has no config text'
    try:
        trained = parse_literals(text)
    except ValueError as error:
        return {}, str(error)
    if not isinstance(trained.get('model'), dict):
        return {}, 'the config text in the checkpoint has no readable model'
    return trained, None


def read_model_cfg(checkpoint: dict) -> dict | None:
    """``model`` of the config text in a checkpoint, read without running it, or None."""
    return trained_config(checkpoint)[0].get('model')


def decoding_differences(first: dict, second: dict) -> Iterator[tuple[str, object, object]]:
    """Compare how two models decode boxes and normalise images.

    A setting is compared only if both configs have it.

    Args:
        first (dict): ``model`` of one config.
        second (dict): ``model`` of the other.

    Yields:
        tuple: Name of a setting that differs, its value in the first and in the second config.
    """
    for key, value in first.items():
        other = second.get(key)
        if key in ('train_cfg', 'test_cfg', 'init_cfg'):
            continue
        if _is_list_of_dicts(value) and _is_list_of_dicts(other):  # such as stages of a cascade
            value, other = ({str(i): x for i, x in enumerate(y)} for y in (value, other))
        if isinstance(value, dict) and isinstance(other, dict):
            for name, *values in decoding_differences(value, other):
                yield f'{key}.{name}', *values
        elif key in DECODING and key in second and as_lists(value) != as_lists(other):
            yield key, value, other


def as_lists(value):
    """Replace tuples by lists, which mean the same in a config."""
    return [as_lists(item) for item in value] if isinstance(value, list | tuple) else value


def _is_list_of_dicts(value) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, dict) for item in value)


def _literals(pairs: Iterable[tuple[object, ast.expr]]) -> dict:
    """Values by key, without those that are not literals."""
    values = {key: _literal(node) for key, node in pairs if isinstance(key, str)}
    return {key: value for key, value in values.items() if value is not NOT_LITERAL}


def _literal(node: ast.expr):
    """The value of a literal, or ``NOT_LITERAL`` for any other expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        return _literals((item.arg, item.value) for item in node.keywords)
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _literal(key) for key in node.keys]
        return _literals(zip(keys, node.values))
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item) for item in node.elts]
        return NOT_LITERAL if NOT_LITERAL in items else items
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):  # TypeError: a set of lists
        return NOT_LITERAL
