"""Reading checkpoints without running what is in them.

A pickle can run any code when it is loaded, so that torch only unpickles what is on a list
(``weights_only=True``, the default from torch 2.6 on). MMEngine's training checkpoints hold a few
objects more than that list, which is why resuming fails beside current releases. Here, exactly
those are added, and only while a checkpoint is being read.
"""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import CheckpointLoader


class CheckpointError(RuntimeError):
    """A checkpoint file is damaged."""


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_checkpoint_file(filename: str, map_location=None) -> dict:
    """Load a checkpoint file. MMEngine calls it for every local checkpoint.

    Args:
        filename (str): Path of the checkpoint.
        map_location: As in ``torch.load``.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        pickle.UnpicklingError: If the file holds anything but tensors, plain containers and what
            MMEngine writes. Nothing of it has been run.
        CheckpointError: If the file is damaged or is no checkpoint.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'There is no checkpoint {path}')
    try:
        with torch.serialization.safe_globals(_MMENGINE_GLOBALS):
            return torch.load(path, map_location=map_location, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        asked_for = re.search(r'GLOBAL ([\w.]+)', str(error))
        if asked_for:
            raise pickle.UnpicklingError(
                f'The checkpoint {path} was refused, and nothing in it was run: it asks for '
                f'{asked_for[1]}, which no checkpoint of MMEngine needs. If you trust its source, '
                'have it saved again there with its weights alone: '
                "torch.save(dict(state_dict=model.state_dict()), 'weights.pth')"
            ) from None
        raise CheckpointError(
            f'The checkpoint {path} cannot be read: it is damaged, cut short or no checkpoint at '
            'all. Use another one, or download it again.'
        ) from error


def latest_checkpoint(work_dir: str) -> str | None:
    """The checkpoint from which a run in ``work_dir`` goes on.

    Normally the one that MMEngine's note ``last_checkpoint`` names. The note is written after the
    checkpoint, so that a run killed in between may leave it empty or out of date, and it names a
    path that need not hold from another directory: then, the newest checkpoint beside it.

    Args:
        work_dir (str): Directory of the run.

    Returns:
        str | None: Path of the checkpoint; None if there is none.
    """
    directory = Path(work_dir)
    note = directory / 'last_checkpoint'
    if note.is_file():
        named = Path(note.read_text().strip())
        for path in (named, directory / named.name):
            if path.is_file():
                return str(path)
    checkpoints = [*directory.glob('epoch_*.pth'), *directory.glob('iter_*.pth')]
    return str(max(checkpoints, key=os.path.getmtime)) if checkpoints else None


def _statistic(owner: type, name: str):
    """What stands for ``getattr`` in a checkpoint: a log's statistics are pickled by name."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
        raise pickle.UnpicklingError('Unsupported class encountered: GLOBAL builtins.getattr')
    return getattr(owner, name)


def _numpy_globals() -> list:
    """Logged numbers are NumPy arrays and scalars. NumPy 1 and 2 differ in a module's name."""
    functions = [np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]]
    number_types = [np.float64, np.float32, np.int64, np.int32, np.bool_]
    aliases = [
        (function, f'numpy.{module}.multiarray.{function.__name__}')
        for function in functions
        for module in ('core', '_core')
    ]
    return [*aliases, np.ndarray, np.dtype, *(type(np.dtype(number)) for number in number_types)]


_MMENGINE_GLOBALS = [HistoryBuffer, (_statistic, 'builtins.getattr'), *_numpy_globals()]
