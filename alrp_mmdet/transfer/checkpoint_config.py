"""The config text in a checkpoint, read without being run."""

import ast
from collections.abc import Iterator

# What a config says of the meaning of weights, and their shapes do not.
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


def settings_of(text: str) -> dict:
    """Settings of a config that are written as literals; nothing of it is run.

    ``dict(key=value)`` counts as a literal, as MMDetection writes its configs.

    Args:
        text (str): The config.

    Returns:
        dict: By name. What is not a literal is left out, at any depth.

    Raises:
        ValueError: If it is no Python.
    """
    try:
        tree = ast.parse(text)
        return {
            target.id: _literal(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f'the config text is no Python: {type(error).__name__}') from None


def differences(trained: dict, model: dict) -> Iterator[tuple[str, object, object]]:
    """Where two configs of a model decode predictions, or prepare images, differently.

    Only what both say is compared.

    Args:
        trained (dict): ``model`` of one config.
        model (dict): ``model`` of the other.

    Yields:
        tuple: Name of the setting, its value in the one, its value in the other.
    """
    for key, value in trained.items():
        other = model.get(key)
        if key in ('train_cfg', 'test_cfg', 'init_cfg'):
            continue
        if _is_list_of_dicts(value) and _is_list_of_dicts(other):  # such as stages of a cascade
            value, other = ({str(i): x for i, x in enumerate(y)} for y in (value, other))
        if isinstance(value, dict) and isinstance(other, dict):
            for name, *values in differences(value, other):
                yield f'{key}.{name}', *values
        elif key in DECODING and key in model and plain(value) != plain(other):
            yield key, value, other


def _is_list_of_dicts(value) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, dict) for item in value)


def _literal(node: ast.expr):
    """The value of an expression; None where it is not a literal."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        return {item.arg: _literal(item.value) for item in node.keywords if item.arg is not None}
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _literal(key) for key in node.keys]
        return {k: _literal(v) for k, v in zip(keys, node.values) if isinstance(k, str)}
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):  # the latter of a set of lists
        return None


def plain(value):
    """A value with lists for its tuples, which mean the same in a config."""
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
