"""Text of messages."""

from collections.abc import Iterable


def format_list(entries: Iterable[object], limit: int = 5) -> str:
    """The first entries, separated by commas, and how many more there are: ``a, b and 7 more``.

    Args:
        entries (Iterable): What to list; converted by ``str``.
        limit (int): Number of entries to show. Defaults to 5.

    Returns:
        str: Empty without entries.
    """
    texts = [str(entry) for entry in entries]
    rest = f' and {len(texts) - limit} more' if len(texts) > limit else ''
    return ', '.join(texts[:limit]) + rest


def describe_error(error: BaseException) -> str:
    """An error in one line: its type, the first line of its message, and its causes likewise."""
    first = str(error).strip().partition('\n')[0]
    text = f'{type(error).__name__}: {first}' if first else type(error).__name__
    return f'{text}, from {describe_error(error.__cause__)}' if error.__cause__ else text
