"""A JSON file or its content, and the error for content that cannot be used."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GZIP = b'\x1f\x8b'  # the first bytes of a gzip file


class CocoFormatError(ValueError):
    """A file is not the COCO format that was asked for.

    Attributes:
        where (str): The file, or what the content is called in messages.
        problems (tuple[str, ...]): One sentence per problem.
    """

    def __init__(self, where: str, problems: Sequence[str]):
        super().__init__(where, tuple(problems))
        self.where = where
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f'{self.where}: {"; ".join(self.problems)}'


def load_json(source: str | os.PathLike[str] | object, name: str) -> tuple[Any, str]:
    """Parse a JSON file.

    Args:
        source (str | os.PathLike | object): Path of the file, or content that is parsed already,
            also as the ``COCO`` of pycocotools or the ``LVIS`` of lvis.
        name (str): What to call parsed content in messages.

    Returns:
        tuple[Any, str]: The content, and what to call it in messages: the path or ``name``.

    Raises:
        OSError: If the file cannot be opened.
        CocoFormatError: If the file is not JSON.
    """
    where = describe_source(source, name)
    if not isinstance(source, str | os.PathLike):
        return getattr(source, 'dataset', source), where
    content = Path(source).read_bytes()
    if content.startswith(GZIP):
        raise CocoFormatError(where, ['a compressed file: unpack it with gunzip'])
    try:
        return json.loads(content), where
    except UnicodeDecodeError as error:
        raise CocoFormatError(where, [f'not UTF-8 text ({error}): save it as UTF-8']) from error
    except json.JSONDecodeError as error:
        if error.msg == 'Extra data':
            problem = f'content after the end of the JSON value ({error}). Is it JSON Lines?'
            raise CocoFormatError(where, [problem]) from error
        raise CocoFormatError(
            where, [f'not JSON ({error}). The file may be incomplete: export it again']
        ) from error


def describe_source(source: object, name: str) -> str:
    """What to call a source in messages: its path, or ``name`` for parsed content."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else name


def raise_problems(where: str, problems: Sequence[str]) -> None:
    """Raise ``CocoFormatError`` if there are problems."""
    if problems:
        raise CocoFormatError(where, problems)
