"""``torchrun`` that ends with the error of a process in one line, instead of its own traceback.

Used by dist_train.sh and dist_test.sh.
"""

import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main


def first_message(error: ChildFailedError) -> str | None:
    """The first error that a process reported by ``alrp_mmdet.errors.stop``."""
    failures = sorted(error.failures.values(), key=lambda failure: failure.timestamp)
    reported = (f.message['message'] for f in failures if isinstance(f.message, dict))
    return next((text for text in reported if text.startswith('error: ')), None)


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
