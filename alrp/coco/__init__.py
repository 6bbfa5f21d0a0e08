"""COCO-format JSON, read and checked in one place. Needs the standard library only.

``read_annotations`` and ``read_results`` parse a file and check its structure. They raise
``CocoFormatError`` if the file is of another kind, lacks a key, or has a value of the wrong type.
``Entries`` finds further problems of a list and returns one sentence per problem, which the caller
can raise or report.

Checks go through a file column by column, because a file of results may have a million entries.
"""

from .columns import ANYTHING, ID, NUMBER, TEXT, Types
from .entries import Entries, label_annotation
from .reading import Fields, Schema, read_annotations, read_results
from .repair import Repair, as_id, repair
from .source import CocoFormatError, describe_source, load_json, raise_problems

__all__ = [
    'ANYTHING',
    'ID',
    'NUMBER',
    'TEXT',
    'CocoFormatError',
    'Entries',
    'Fields',
    'Repair',
    'Schema',
    'Types',
    'as_id',
    'describe_source',
    'label_annotation',
    'load_json',
    'raise_problems',
    'read_annotations',
    'read_results',
    'repair',
]
