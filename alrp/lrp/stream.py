"""Reads a JSON list part by part, so that a large file is never in memory as a whole."""

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

BYTES_AT_ONCE = 1 << 20
_BETWEEN = re.compile(rb'\}\s*,\s*\{')
_SPACE = b' \t\r\n'


def _find_parser() -> Callable[[bytes], Any]:
    """orjson's if it is installed, which is faster."""
    try:
        from orjson import loads
    except ImportError:
        return json.loads
    parser: Callable[[bytes], Any] = loads
    return parser


def read_list_in_parts(path: str | os.PathLike[str]) -> Iterator[list[Any]]:
    """Read a file with a list of objects.

    A part ends between two objects, at ``},{``. If this is inside an object or a text, the part is
    not JSON, so nothing is misread.

    Args:
        path (str | os.PathLike): The file.

    Yields:
        list: The next objects of the list.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file is not a JSON list, or cannot be read in parts. Read it whole then.
    """
    parse = _find_parser()
    with open(path, 'rb') as file:
        rest = file.read(BYTES_AT_ONCE).lstrip(_SPACE)
        if rest[:1] != b'[':
            raise ValueError('not a list')
        while block := file.read(BYTES_AT_ONCE):
            rest += block
            cut = _last_cut(rest)
            if cut is None:
                if len(rest) > 4 * BYTES_AT_ONCE:
                    raise ValueError('no objects to cut between')
                continue
            yield _checked(parse(rest[: cut + 1] + b']'))
            rest = b'[' + rest[rest.index(b'{', cut) :]
        yield _checked(parse(rest))


def _last_cut(text: bytes) -> int | None:
    """Position of the last ``}`` before another object."""
    window = 1 << 12  # it is close to the end in most files
    while True:
        found = [match.start() for match in _BETWEEN.finditer(text, max(0, len(text) - window))]
        if found:
            return found[-1]
        if window >= len(text):
            return None
        window *= 8


def _checked(entries: Any) -> list[Any]:
    if not isinstance(entries, list):
        raise ValueError('not a list')
    return entries
