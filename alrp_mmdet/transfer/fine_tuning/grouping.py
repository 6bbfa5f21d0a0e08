"""Group names of weights by module."""

from collections.abc import Iterable

from torch import Tensor

from .state_dicts import affects_predictions


def group_by_module(keys: Iterable[str], universe: Iterable[str]) -> dict[str, list[str]]:
    """Group names of weights by the largest modules that they cover completely.

    Args:
        keys (Iterable[str]): The names.
        universe (Iterable[str]): All names of the state dict.

    Returns:
        dict[str, list[str]]: Names by module. A name that completes no module is its own group.
    """
    keys = dict.fromkeys(filter(affects_predictions, keys))
    incomplete = {part for key in universe if key not in keys for part in _prefixes(key)}
    groups = {}
    for key in keys:
        complete = (part for part in _prefixes(key) if part not in incomplete)
        groups.setdefault(next(complete, key), []).append(key)
    return groups


def _prefixes(key: str) -> list[str]:
    parts = key.split('.')
    return ['.'.join(parts[: i + 1]) for i in range(len(parts))]


def module_sizes(
    chosen: dict[str, Tensor], weights: dict[str, Tensor], others: Iterable[str] = ()
) -> list[str]:
    """One line per module with its number of values.

    Args:
        chosen (dict[str, Tensor]): The weights to list.
        weights (dict[str, Tensor]): The state dict that they are from.
        others (Iterable[str]): More names that a module must cover to count as complete.
    """
    universe = [key for key in (*weights, *others) if affects_predictions(key)]
    return [
        f'{module}: {sum(weights[key].numel() for key in keys):,} values'
        for module, keys in group_by_module(chosen, universe).items()
    ]
