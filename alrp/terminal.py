"""What is shown while one waits."""

import sys

from rich.console import Console
from rich.progress import Progress


def progress_bars(*columns) -> Progress:
    """Bars on standard error that are gone when they end; none where it is no terminal.

    Args:
        *columns (ProgressColumn): What a bar shows; rich's own columns if there are none.

    Returns:
        Progress: To be used in a ``with`` statement.
    """
    hidden = not sys.stderr.isatty()
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden)
