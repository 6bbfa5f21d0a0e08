"""Files that appear whole or not at all."""

import os
from pathlib import Path


def write_whole(path: str | os.PathLike, content: bytes) -> None:
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
