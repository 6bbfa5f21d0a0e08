"""Names of weights, by modules."""

from collections.abc import Iterable

from torch import Tensor

from .state_dicts import matters


def grouped(keys: Iterable[str], universe: Iterable[str]) -> dict[str, list[str]]:
    """Names of weights by the largest modules of which nothing is missing.

    Args:
        keys (Iterable[str]): The names.
        universe (Iterable[str]): All names that there are.

    Returns:
        dict[str, list[str]]: Names by module, or by themselves.
    """
    keys = dict.fromkeys(filter(matters, keys))
    broken = {part for key in universe if key not in keys for part in _prefixes(key)}
    groups = {}
    for key in keys:
        whole = (part for part in _prefixes(key) if part not in broken)
        groups.setdefault(next(whole, key), []).append(key)
    return groups


def _prefixes(key: str) -> list[str]:
    parts = key.split('.')
    return ['.'.join(parts[: i + 1]) for i in range(len(parts))]


def with_sizes(
    chosen: dict[str, Tensor], values: dict[str, Tensor], others: Iterable[str] = ()
) -> list[str]:
    """Modules with the number of values in them; ``others`` are names that they may lack too."""
    universe = [key for key in (*values, *others) if matters(key)]
    return [
        f'{group}: {sum(values[key].numel() for key in keys):,} values'
        for group, keys in grouped(chosen, universe).items()
    ]
