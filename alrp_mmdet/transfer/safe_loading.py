"""Load checkpoints without running code in them.

Loading a pickle can run any code. With ``weights_only=True``, torch only unpickles types on an
allow list. MMEngine's checkpoints hold a few types that torch's list lacks. MMEngine 0.10.7 does
not add them, so that resuming fails with torch 2.6 and newer, and loads weights from the web
without the list. onedl-mmengine adds them and an unrestricted ``getattr``, and loads a refused file
again without the list. Here, the list has exactly what a checkpoint needs, and applies to every
loader of MMEngine.
"""

import contextlib
import functools
import pickle
import re
from collections.abc import Callable, Iterator
from urllib.error import URLError

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.runner import CheckpointLoader
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals


class CheckpointError(RuntimeError):
    """A checkpoint is missing or damaged, does not fit, or holds types that are not allowed."""


def install_safe_loading() -> None:
    """Make every loader of MMEngine safe, and allow what MMEngine writes into a checkpoint.

    Calling it again changes nothing.
    """
    add_safe_globals(_allowed_globals())
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if not isinstance(loader, _SafeLoader):
            CheckpointLoader.register_scheme(prefix, _SafeLoader(loader), force=True)


class _SafeLoader:
    """A loader of MMEngine that raises ``CheckpointError`` instead of running code.

    Args:
        loader (Callable): The loader of a URL scheme.
    """

    def __init__(self, loader: Callable):
        self.loader = loader
        functools.update_wrapper(self, loader)

    def __call__(self, filename: str, *args, **kwargs) -> dict:
        try:
            with _weights_only():
                return _rename_config_text(self.loader(filename, *args, **kwargs))
        except (torch.OutOfMemoryError, PermissionError, ImportError):
            raise
        except FileNotFoundError as error:
            raise CheckpointError(f'there is no checkpoint {filename}') from error
        except URLError as error:
            raise CheckpointError(
                f'cannot download the checkpoint {filename} ({error.reason}). Download it on a '
                'machine with internet access and give the file instead, in load_from or in '
                'init_cfg.checkpoint of the backbone'
            ) from error
        except _UnpicklingError as error:
            raise CheckpointError(_refusal(filename, str(error))) from None
        except Exception as error:  # a damaged file raises errors of many types
            raise CheckpointError(_damage(filename, _first_sentence(error))) from error


class _UnpicklingError(Exception):
    """Stands for torch's error, upon which onedl-mmengine would load the file unsafely."""


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """Restrict ``torch.load`` to the allow list, even with ``weights_only=False``."""
    load, before = torch.load, get_safe_globals()
    # An unrestricted getattr would reach anything from a type on the list.
    allowed = [entry for entry in before if entry is not getattr] + _allowed_globals()

    @functools.wraps(load)
    def load_weights_only(*args, **kwargs):
        _set_safe_globals(allowed)  # the loader may have added to it
        try:
            return load(*args, **{**kwargs, 'weights_only': True})
        except pickle.UnpicklingError as error:
            raise _UnpicklingError(str(error)) from None

    torch.load = load_weights_only
    try:
        yield
    finally:
        torch.load = load
        _set_safe_globals(before)


def _set_safe_globals(entries: list) -> None:
    clear_safe_globals()
    add_safe_globals(entries)


def _rename_config_text(checkpoint: dict) -> dict:
    """Rename the config text of MMDetection 2, which ``Runner.resume`` would run as Python.

    ``Runner.resume`` only wants the number of GPUs from it. MMEngine keeps the text of its own
    checkpoints under ``meta['cfg']``. Nothing runs ``meta['config_text']``.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and 'config' in meta:
        meta['config_text'] = meta.pop('config')
    return checkpoint


def _refusal(filename: str, message: str) -> str:
    """The message on a refused file, without torch's advice to load it with weights_only=False."""
    requested = re.search(r'GLOBAL ([\w.]+)', message)
    if requested is None:
        return _damage(filename, 'not a pickle of tensors')
    return (
        f'the checkpoint {filename} was refused, and no code in it was run: it needs '
        f'{requested[1]}, which MMEngine never writes into a checkpoint. If you trust its source, '
        'save only its weights there: '
        "torch.save(dict(state_dict=model.state_dict()), 'weights.pth')"
    )


def _damage(filename: str, detail: str) -> str:
    return (
        f'cannot read the checkpoint {filename}: the file is damaged, truncated, or not a '
        f'checkpoint ({detail}). Download or copy it again, or use another one'
    )


def _first_sentence(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'.split('. ')[0].strip().rstrip(':')


# Methods that MMEngine pickles by name: the statistics of a log, and the steps of a schedule.
_METHODS = {
    HistoryBuffer: ('min', 'max', 'mean', 'current'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}


def _method(owner: type, name: str):
    """Replaces ``getattr`` in a checkpoint."""
    if name not in _METHODS.get(owner, ()):
        raise pickle.UnpicklingError('Unsupported class encountered: GLOBAL builtins.getattr')
    return getattr(owner, name)


@functools.cache
def _allowed_globals() -> list:
    """Types that MMEngine writes into a checkpoint and torch does not allow by default."""
    return [ConfigDict, *_METHODS, (_method, 'builtins.getattr'), *_numpy_globals()]


def _numpy_globals() -> list:
    """NumPy arrays and scalars, of logged numbers. NumPy 1 and 2 name their module differently."""
    functions = [np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]]
    aliases = [
        (function, f'numpy.{module}.multiarray.{function.__name__}')
        for function in functions
        for module in ('core', '_core')
    ]
    types = {type(np.dtype(name)) for name in (*np.typecodes['All'], 'bool')}
    return [*aliases, np.ndarray, np.dtype, *(types - {type(np.dtype(object))})]
