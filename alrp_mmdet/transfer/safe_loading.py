"""Reading checkpoints without running what is in them.

A pickle can run any code when it is loaded, so that torch can be told to unpickle only what is on a
list (``weights_only=True``). MMEngine's training checkpoints hold a few objects more than torch has
on its list, which is why resuming fails beside current releases, and weights from the web are
loaded without any list. Here exactly those few are added, and every way in which MMEngine loads a
checkpoint keeps to the list.
"""

import contextlib
import functools
import os
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.runner import CheckpointLoader


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, or holds what no checkpoint needs."""


def latest_checkpoint(work_dir: str) -> str | None:
    """The checkpoint from which a run in ``work_dir`` goes on.

    Normally the one that MMEngine's note ``last_checkpoint`` names. The note is written after the
    checkpoint, so that a run killed in between may leave it empty, and it names a path that need
    not hold from another directory: then, the newest checkpoint beside it.

    Args:
        work_dir (str): Directory of the run.

    Returns:
        str | None: Path of the checkpoint; None if there is none.
    """
    directory = Path(work_dir)
    note = directory / 'last_checkpoint'
    if note.is_file():
        named = note.read_text().strip()
        if '://' in named:  # on a remote file system
            return named
        for path in (Path(named), directory / Path(named).name):
            if path.is_file():
                return str(path)
    checkpoints = [*directory.glob('epoch_*.pth'), *directory.glob('iter_*.pth')]
    return str(max(checkpoints, key=os.path.getmtime)) if checkpoints else None


def _safely(loader: Callable) -> Callable:
    """Make a loader of MMEngine refuse, by a ``CheckpointError``, to run what it loads."""

    @functools.wraps(loader)
    def load(filename: str, *args, **kwargs) -> dict:
        try:
            with _weights_only():
                return _without_code(loader(filename, *args, **kwargs))
        except torch.OutOfMemoryError:
            raise
        except FileNotFoundError as error:
            raise CheckpointError(f'There is no checkpoint {filename}') from error
        except URLError as error:
            raise CheckpointError(
                f'The checkpoint {filename} cannot be downloaded ({error.reason}). Get it where '
                'there is a connection and name the file instead, as init_cfg.checkpoint of the '
                'backbone or as load_from'
            ) from error
        except (
            pickle.UnpicklingError,
            RuntimeError,
            EOFError,
            KeyError,
            OSError,
            ValueError,
        ) as error:
            asked_for = re.search(r'GLOBAL ([\w.]+)', str(error))
            if asked_for:
                # Without the cause, whose text recommends to load it nevertheless.
                raise CheckpointError(
                    f'The checkpoint {filename} was refused, and nothing in it was run: it asks '
                    f'for {asked_for[1]}, which is not among what MMEngine puts into a '
                    'checkpoint. If you trust its source, have it saved again there with its '
                    'weights alone: '
                    "torch.save(dict(state_dict=model.state_dict()), 'weights.pth')"
                ) from None
            raise CheckpointError(
                f'The checkpoint {filename} cannot be read: it is damaged, cut short or no '
                f'checkpoint at all ({_reason(error)}). Use another one, or get it again.'
            ) from error

    return load


def _without_code(checkpoint: dict) -> dict:
    """Rename the config text of MMDetection 2, which ``Runner.resume`` would run as Python.

    It would be run for its number of GPUs alone. MMEngine's own checkpoints have their text
    elsewhere, under ``meta['cfg']``. As ``meta['config_text']`` it can be read, and nobody runs it.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and 'config' in meta:
        meta['config_text'] = meta.pop('config')
    return checkpoint


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """Hold torch to its list, also where a caller says ``weights_only=False``."""
    # The second is a common workaround for what this module mends; torch takes one of the two.
    wanted = dict(TORCH_FORCE_WEIGHTS_ONLY_LOAD='1', TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=None)
    before = {name: os.environ.get(name) for name in wanted}
    _set_environment(wanted)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _reason(error: Exception) -> str:
    """What torch says of a damaged file, less its advice."""
    if isinstance(error, pickle.UnpicklingError):
        return 'it is not a pickle of tensors'
    return f'{type(error).__name__}: {error}'.split('. ')[0].strip().rstrip(':')


# What MMEngine pickles by name: a log's statistics, and how a schedule goes from one value to the
# next.
_METHODS = {
    HistoryBuffer: ('min', 'max', 'mean', 'current'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}


def _method(owner: type, name: str):
    """What stands for ``getattr`` in a checkpoint."""
    if name not in _METHODS.get(owner, ()):
        raise pickle.UnpicklingError('Unsupported class encountered: GLOBAL builtins.getattr')
    return getattr(owner, name)


def _numpy_globals() -> list:
    """Logged numbers are NumPy arrays and scalars. NumPy 1 and 2 differ in a module's name."""
    functions = [np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]]
    aliases = [
        (function, f'numpy.{module}.multiarray.{function.__name__}')
        for function in functions
        for module in ('core', '_core')
    ]
    types = {type(np.dtype(name)) for name in (*np.typecodes['All'], 'bool')}
    return [*aliases, np.ndarray, np.dtype, *(types - {type(np.dtype(object))})]


torch.serialization.add_safe_globals(
    [ConfigDict, *_METHODS, (_method, 'builtins.getattr'), *_numpy_globals()]
)
for _prefix, _loader in list(CheckpointLoader._schemes.items()):
    CheckpointLoader.register_scheme(_prefix, _safely(_loader), force=True)
