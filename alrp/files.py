"""Writes files atomically, and checks early whether they can be written."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

StrPath = str | os.PathLike[str]


def write_atomically(path: StrPath, content: bytes) -> None:
    """Write a file to a temporary name in the same folder, then rename it.

    Args:
        path (str | os.PathLike): The file. An existing file stays intact until the new one is
            complete. Missing folders are created.
        content (bytes): The new content.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name, so that the next run overwrites what a killed one left.
    partial = path.with_name(path.name + '.partial')
    try:
        with partial.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:  # a full disk, Ctrl-C
        partial.unlink(missing_ok=True)
        raise


def output_problem(
    path: StrPath, inputs: Iterable[StrPath] = (), force: bool = False
) -> str | None:
    """Check whether a file may and can be written.

    Args:
        path (str | os.PathLike): The file. Its folder need not exist.
        inputs (Iterable[str | os.PathLike]): Input files, which must not be overwritten.
        force (bool): Whether an existing file may be overwritten.

    Returns:
        str | None: The problem, or None.
    """
    if Path(path).exists():
        if any(os.path.samefile(path, known) for known in inputs):
            return f'{path} is an input and would be overwritten'
        if not Path(path).is_file():
            return f'{path} is not a file'
        if not force:
            return f'{path} exists; use --force to overwrite it'
    folder = Path(path).absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return f'cannot write {path}: {error.strerror}'
    return None
