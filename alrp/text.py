"""Text for messages and terminals."""

import codecs
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

FLAGS = {
    **dict.fromkeys(('1', '1.0', 'true', 'yes', 'y', 't', 'on'), True),
    **dict.fromkeys(('', '0', '0.0', 'false', 'no', 'n', 'f', 'off', 'none', 'null'), False),
}

BYTE_ORDER_MARKS = {  # UTF-16's mark starts like UTF-32's, so UTF-32 comes first
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}


def format_list(entries: Iterable[object], limit: int = 5) -> str:
    """Join entries with commas and count the rest: ``a, b and 7 more``.

    Args:
        entries (Iterable): The entries, converted by ``str``.
        limit (int): Number of entries to show. Defaults to 5.

    Returns:
        str: The text, empty without entries.
    """
    texts = [str(entry) for entry in entries]
    rest = f' and {len(texts) - limit} more' if len(texts) > limit else ''
    return ', '.join(texts[:limit]) + rest


def counted(number: int, one: str, many: str, of_all: str = '') -> str:
    """A number and the words after it in singular or plural: ``1 box has``, ``2 of 9 boxes have``.

    Args:
        number (int): The number.
        one (str): The words after 1.
        many (str): The words after any other number.
        of_all (str): What the number is a part of, such as ``of 9 boxes``. Defaults to nothing.
    """
    return ' '.join(filter(None, [f'{number:,}', of_all, one if number == 1 else many]))


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text, which is a Markdown table as well.

    Args:
        rows (Sequence[Sequence[str]]): Rows of the same length, the header first. The first column
            is aligned left, the others right.

    Returns:
        str: One line per row, and a line under the header.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(row, widths) for row in rows)
    ]
    rule = ['-' * (width - 1) + (':' if i else '-') for i, width in enumerate(widths)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (lines[0], rule, *lines[1:]))


def parse_flag(value: object) -> bool | None:
    """Read a flag that a tool may have written as a word.

    Args:
        value (object): Such as 0, True, ``'1'``, ``'no'`` or ``'False'``.

    Returns:
        bool | None: The flag; None if the value has no known meaning, such as ``'Unspecified'``.
    """
    return FLAGS.get(str(value).strip().lower())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses a name: the nearest known one, or all if at most 8.

    Args:
        name (str): The unknown name.
        known (Iterable[str]): The known names.

    Returns:
        str: Starts with a colon; empty if there is nothing to say.
    """
    known = sorted(known)
    close = get_close_matches(name, known, n=1)
    if close:
        return f': did you mean {close[0]!r}?'
    return f': known are {", ".join(known)}' if 0 < len(known) <= 8 else ''


def fold_name(name: str) -> str:
    """A key that names share if they differ only in capitalisation or in how accents are coded.

    macOS may code an accent as a character of its own.
    """
    return unicodedata.normalize('NFC', name.casefold())


def unicode_encoding(content: bytes) -> str:
    """The encoding that the first bytes of a text show; UTF-8 if they show none."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return encoding
    if content[:1] == b'\0' != content[1:2]:
        return 'utf-16-be'
    if content[1:2] == b'\0':
        return 'utf-16-le'
    return 'utf-8'


def describe_error(error: BaseException) -> str:
    """An error on one line: its type, the first line of its message, and the same of its causes."""
    first = str(error).strip().partition('\n')[0]
    text = f'{type(error).__name__}: {first}' if first else type(error).__name__
    return f'{text}, from {describe_error(error.__cause__)}' if error.__cause__ else text
