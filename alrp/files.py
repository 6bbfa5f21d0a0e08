"""Files that appear whole or not at all, and that nobody loses."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Write a file beside its place and move it there when it is on the disk.

    Args:
        path (str | os.PathLike): Its place. What stood there stays until the new file is whole.
            Folders are made.
        content (bytes): What is to be in it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name: what a kill leaves behind is overwritten when the run goes on.
    partial = path.with_name(path.name + '.partial')
    with partial.open('wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def output_problem(
    path: str | os.PathLike, inputs: Iterable[str | os.PathLike] = (), force: bool = False
) -> str | None:
    """Why a file must not, or cannot, be written.

    Args:
        path (str | os.PathLike): The file. Folders may have to be made.
        inputs (Iterable[str | os.PathLike]): Files that are read, and must stay.
        force (bool): Whether a file that exists may be overwritten.

    Returns:
        str | None: What is wrong; None if nothing is.
    """
    if Path(path).exists():
        if any(os.path.samefile(path, known) for known in inputs):
            return f'{path} is an input, and would be overwritten'
        if not Path(path).is_file():
            return f'{path} is not a file'
        if not force:
            return f'{path} exists; --force overwrites it'
    folder = Path(path).absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return f'{path} cannot be written: {error.strerror}'
    return None
