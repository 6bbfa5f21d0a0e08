"""CSV files with a row per run, or per evaluation of a run."""

import contextlib
import csv
import fcntl
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from alrp.files import write_atomically

from .matrix import Run

RUN_COLUMNS = {field.name: field.type for field in fields(Run)}
METRICS = dict(  # as logged
    AP='mAP',
    AP50='mAP_50',
    AP75='mAP_75',
    AP_s='mAP_s',
    AP_m='mAP_m',
    AP_l='mAP_l',
    oLRP='oLRP',
    oLRP_loc='oLRP_loc',
    oLRP_fp='oLRP_fp',
    oLRP_fn='oLRP_fn',
)
# train_loss: mean of the last 50 steps; seconds: of one core, empty if the run was interrupted;
# device: 'CPU' or the name of the GPU.
COLUMNS = (*RUN_COLUMNS, *METRICS, 'train_loss', 'seconds', 'device', 'commit')
CURVE_COLUMNS = (*RUN_COLUMNS, 'epoch', 'step', *METRICS, 'train_loss', 'grad_norm')
TEXT = {name for name, kind in RUN_COLUMNS.items() if kind is str} | {'device', 'commit'}
WHOLE = {name for name, kind in RUN_COLUMNS.items() if kind is int} | {'epoch', 'step'}


def curves_of(path: Path) -> Path:
    """The file with the learning curves of a file of runs."""
    return path.with_name(f'{path.stem}_curves.csv')


def read_rows(path: Path) -> list[dict]:
    """The rows of a file, empty if it does not exist. Numbers are numbers; empty cells are NaN.

    Raises:
        ValueError: If the file has other columns, or a row is damaged, by a merge for example.
            Names the file and the line.
    """
    if not path.exists():
        return []
    rows = []
    with path.open(newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) not in (COLUMNS, CURVE_COLUMNS):
            raise ValueError(f'{path}, line 1: expected the columns {", ".join(COLUMNS)}')
        for row in reader:
            try:
                rows.append({name: _parsed(name, value) for name, value in row.items()})
            except (TypeError, ValueError):
                text = ','.join(str(value) for value in row.values())
                raise ValueError(f'{path}, line {reader.line_num}: not a run: {text}') from None
    return rows


def _parsed(name: str, value: str | None) -> str | int | float:
    if value is None:
        raise ValueError('the row is too short')
    if name in TEXT:
        return value
    return int(value) if name in WHOLE else float('nan' if value == '' else value)


def run_of(row: dict) -> Run:
    """The run of a row."""
    return Run(**{name: row[name] for name in RUN_COLUMNS})


def add_run(path: Path, row: dict, curve: list[dict]) -> None:
    """Add a finished run to a file and its learning curve to ``curves_of(path)``.

    Several processes may write the same file. The row is written last: a run with a row is
    complete.
    """
    with _locked(path.parent):
        for file, columns, new in (
            (curves_of(path), CURVE_COLUMNS, curve),
            (path, COLUMNS, [row]),
        ):
            others = [old for old in read_rows(file) if run_of(old) != run_of(row)]
            write_atomically(file, _csv(columns, [*others, *new]))


def _csv(columns: Iterable[str], rows: list[dict]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    for row in rows:
        # NaN differs from itself.
        writer.writerow({name: value if value == value else '' for name, value in row.items()})
    return text.getvalue().encode()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait for other processes that write to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
