"""Memory of this process, in bytes."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path


def peak_memory():
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident_memory():
    """Bytes in use. Elsewhere than on Linux, their peak so far."""
    if not sys.platform.startswith('linux'):
        return peak_memory()
    ctypes.CDLL(None).malloc_trim(0)  # gives back what is free
    return int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize()


def reset_peak():
    """Forget the peak of memory while the input was made; on Linux only."""
    with contextlib.suppress(OSError):
        Path('/proc/self/clear_refs').write_text('5')


def recent_peak():
    status = Path('/proc/self/status')
    if not status.is_file():
        return peak_memory()
    [line] = [x for x in status.read_text().splitlines() if x.startswith('VmHWM')]
    return int(line.split()[1]) * 1024
