"""Loading data in tests, and the problems that were found."""

import json
from pathlib import Path

from format_writers import by_file

from alrp_mmdet.project.data import load_data


def load_by_file(source: Path, **options) -> dict:
    """Training and validation data together, as from ``by_file``; fails if there are errors."""
    data = load_data(source, **options)
    assert not data.findings.errors, str(data.findings)
    found = {}
    for split in (data.train, data.val):
        found |= by_file(json.loads(split.to_json()))
    return found


def load_errors(source: Path, **options) -> str:
    """The errors as text; fails if there are none."""
    data = load_data(source, **options)
    assert data.findings.errors
    return str(data.findings).split('warnings:')[0]


def load_warnings(source: Path, **options) -> str:
    """The warnings as text; fails if there are errors."""
    data = load_data(source, **options)
    assert not data.findings.errors, str(data.findings)
    return str(data.findings)


def as_written(path: Path, **options) -> tuple[list[dict], str]:
    """The files that would be written for training and validation, and all problems."""
    data = load_data(path, **options)
    assert not data.findings.errors, str(data.findings)
    assert data.train.ann_file is None
    return [json.loads(split.to_json()) for split in (data.train, data.val)], str(data.findings)
