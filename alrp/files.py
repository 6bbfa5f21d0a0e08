"""Writes files atomically, and checks early whether they can be written."""

import os
import tempfile
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

from .text import format_list

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


def files_beside(path: StrPath, extension: str) -> str:
    """The end of a sentence on a missing file: what there is in its folder, nearest names first.

    Args:
        path (str | os.PathLike): The file, or a folder in which it was expected.
        extension (str): Extension of the files to name, such as ``'.py'``.

    Returns:
        str: Starts with a semicolon; empty if there are no such files.
    """
    path = Path(path)
    folder, where = (path, 'this folder has') if path.is_dir() else (path.parent, 'its folder has')
    if not folder.is_dir():
        return f'; there is no folder {folder} either'
    found = [str(file) for file in folder.glob(f'*{extension}') if file.is_file()]
    near = {name: SequenceMatcher(None, name, str(path)).ratio() for name in found}
    found.sort(key=lambda name: (-near[name], name))
    return f'; {where} {format_list(found, 3)}' if found else ''


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
    return folder_problem(path, Path(path).absolute().parent)


def folder_problem(path: StrPath, folder: StrPath) -> str | None:
    """Check whether files can be written to a folder, which need not exist.

    Args:
        path (str | os.PathLike): What the message says cannot be written.
        folder (str | os.PathLike): The folder.

    Returns:
        str | None: The problem, or None.
    """
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        return f'cannot write {path}: {error.strerror}'
    return None
