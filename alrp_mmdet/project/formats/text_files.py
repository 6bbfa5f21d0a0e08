"""Text files of annotations, in any Unicode encoding."""

import re
from pathlib import Path

from alrp.text import unicode_encoding

from ...datasets.check import AnnotationError


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 as Windows tools write it.

    XML may declare another encoding.

    Raises:
        AnnotationError: If the file has another encoding.
    """
    content = path.read_bytes()
    encoding = unicode_encoding(content)
    declared = re.match(rb'\s*<\?xml[^>]*encoding=["\']([\w.-]+)', content)
    if declared is not None and encoding == 'utf-8':
        encoding = declared[1].decode()
    try:
        return content.decode(encoding)
    except LookupError:
        raise AnnotationError(f'{path} has the unknown encoding {encoding}') from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b'\n') + 1
        raise AnnotationError(
            f'{path} is not {encoding.upper()} text (line {line}, byte '
            f'0x{content[error.start]:02x}): save it as UTF-8'
        ) from None


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, with their numbers from 1."""
    lines = enumerate(map(str.strip, read_text(path).splitlines()), 1)
    return [(number, line) for number, line in lines if line]
