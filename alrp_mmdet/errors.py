"""How a tool ends with an error: one line, also in a job of several processes and after Ctrl-C."""

import contextlib
import errno
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from torch import distributed

from .transfer.latest_checkpoint import latest_checkpoint

CTRL_C = 130  # exit status of a shell command that was interrupted
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)

LOST_CONNECTION = (
    'error: lost the connection to another process: its output, maybe on another host, says why. '
    'Continue a training with --resume on all hosts'
)


class ImageReadError(RuntimeError):
    """An image cannot be read although it could be when the run started."""

    @property
    def reason(self) -> str:
        """The message, of an error in a data loading worker too, which comes with its traceback."""
        return str(self).strip().rpartition(f'{type(self).__name__}: ')[2]


def rank() -> int:
    """Index of this process in its job; 0 in a job of one process."""
    return int(os.environ.get('RANK', 0))


def stop(message: str, status: int = 1) -> NoReturn:
    """Exit with a message on standard error.

    In a job of several processes, ``torchrun`` gets the message, which shows the first of all
    processes at its end. Other launchers show what each process prints, so that only the first
    process prints an error that all have.
    """
    text = f'error: {message}'
    if tell_torchrun(text):
        sys.exit(status)
    in_step = distributed.is_available() and distributed.is_initialized()
    if rank() > 0 and not in_step:  # all processes have read the same config
        sys.exit(status)
    if status == 1:
        sys.exit(text)
    print(text, file=sys.stderr)
    sys.exit(status)


def tell_torchrun(text: str) -> bool:
    """Give ``torchrun`` the reason why this process ends; return whether there is one."""
    report = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if report is None:
        return False
    extra = dict(py_callstack=text, timestamp=str(int(time.time())))
    with contextlib.suppress(OSError), open(report, 'w', encoding='utf-8') as file:
        json.dump(dict(message=dict(message=text, extraInfo=extra)), file)
    return True


@contextlib.contextmanager
def say_how_to_resume(work_dir: str) -> Iterator[None]:
    """Stop with one line if a training is interrupted, or cannot write or read an image."""
    logging.raiseExceptions = False  # a full disk would print a traceback for every line of the log
    try:
        yield
    except KeyboardInterrupt:
        stop(f'stopped by Ctrl-C. {_advice(work_dir)}', CTRL_C)
    except ImageReadError as error:
        advice = 'Restore the file, or remove the image from the annotations'
        stop(f'{error.reason}. {advice}. {_advice(work_dir)}')
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        where = error.filename or work_dir
        stop(f'cannot write {where}: {error.strerror}. Solve this first. {_advice(work_dir)}')


def _advice(work_dir: str) -> str:
    checkpoint = latest_checkpoint(work_dir)
    if checkpoint is None:
        return f'There is no checkpoint in {work_dir} yet: start again'
    return f'The checkpoint {checkpoint} is complete: to go on, repeat the command with --resume'


def is_lost_connection(error: Exception) -> bool:
    """Whether a process waited for another one, which has stopped and said why."""
    several = distributed.is_available() and distributed.is_initialized()
    text = str(error).lower()
    lost = ('connection closed', 'connection reset', 'broken pipe', 'remote process exited')
    return several and isinstance(error, RuntimeError) and any(words in text for words in lost)
