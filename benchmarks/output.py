"""What all benchmarks do with the table that they measure."""

from collections.abc import Iterable
from pathlib import Path


def write_lines(lines: Iterable[str], path: Path | None) -> None:
    """Print each line as soon as it is measured; write all to a file, if there is one."""
    written = []
    for line in lines:
        print(line, flush=True)
        written.append(line)
    if path:
        path.write_text('\n'.join(written) + '\n')
