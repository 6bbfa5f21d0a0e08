"""Progress bars."""

import sys

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def progress_bars(*columns: ProgressColumn) -> Progress:
    """Progress bars on standard error, removed at the end; hidden if it is not a terminal.

    Args:
        *columns (ProgressColumn): Columns of a bar. Defaults to rich's own.

    Returns:
        Progress: A context manager.
    """
    hidden = not sys.stderr.isatty()
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden)
