"""``torchrun`` that ends with the error of a process in one line, instead of its own traceback.

Used by dist_train.sh and dist_test.sh.
"""

import signal
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

LOST = 'error: lost the connection'  # how the message of alrp_mmdet.errors.LOST_CONNECTION begins


def first_message(error: ChildFailedError) -> str | None:
    """The first error that a process reported by ``alrp_mmdet.errors.tell_torchrun``.

    A lost connection is the reason only if the other process is on another host.
    """
    failures = sorted(error.failures.values(), key=lambda failure: failure.timestamp)
    messages = [f.message['message'] for f in failures if isinstance(f.message, dict)]
    messages = [text for text in messages if text.startswith('error: ')]
    reasons = [text for text in messages if not text.startswith(LOST)]
    if reasons:
        return reasons[0]
    # torchrun ends the others by SIGTERM.
    unexplained = [f for f in failures if f.exitcode != -signal.SIGTERM]
    return messages[0] if messages and len(messages) == len(unexplained) else None


if __name__ == '__main__':
    try:
        main()
    except ChildFailedError as error:
        message = first_message(error)
        if message is None:
            raise
        sys.exit(message)
    except SignalException as error:
        sys.exit(f'error: stopped by {error.sigval.name}')
