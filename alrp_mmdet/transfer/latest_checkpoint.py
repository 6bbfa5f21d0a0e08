"""The checkpoint to resume a run from."""

import os
from pathlib import Path


def latest_checkpoint(work_dir: str) -> str | None:
    """Find the checkpoint that a run in ``work_dir`` resumes from.

    MMEngine writes its path to the file ``last_checkpoint`` after writing the checkpoint. A
    checkpoint of this name in ``work_dir`` comes first, since the folder may have been copied or
    moved. A run killed in between may leave the file empty, and a relative path in it is only valid
    in the directory where the run was started. In these cases, this is the newest checkpoint in
    ``work_dir``.

    Args:
        work_dir (str): Directory of the run.

    Returns:
        str | None: Path of the checkpoint, or None.
    """
    directory = Path(work_dir)
    pointer = directory / 'last_checkpoint'
    if pointer.is_file():
        path = pointer.read_text().strip()
        if '://' in path:  # on a remote file system
            return path
        for candidate in (directory / Path(path).name, Path(path)):
            if candidate.is_file():
                return str(candidate)
    checkpoints = [*directory.glob('epoch_*.pth'), *directory.glob('iter_*.pth')]
    return str(max(checkpoints, key=os.path.getmtime)) if checkpoints else None
