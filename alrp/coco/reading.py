"""Reads annotations and results, and checks that the keys a caller needs are there."""

import os
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..text import counted, format_list
from .columns import Types
from .entries import Entries, Entry
from .kinds import wrong_kind
from .repair import Repair, box_of_polygons, repair
from .source import CocoFormatError, load_json, raise_problems


@dataclass(frozen=True)
class Fields:
    """The keys of the entries of one list, with the types their values may have.

    Attributes:
        required (Mapping[str, tuple[type, ...]]): Accepted types of the keys that must be there.
        optional (Mapping[str, tuple[type, ...]]): Accepted types of keys that may be absent.
    """

    required: Mapping[str, Types] = field(default_factory=dict)
    optional: Mapping[str, Types] = field(default_factory=dict)

    def problems(self, entries: Entries) -> list[str]:
        """Missing keys and wrong types, one sentence each."""
        types = {**self.required, **self.optional}
        return entries.missing_keys(self.required) + entries.wrong_types(types)


Schema = Mapping[str, Fields]  # by list: 'images', 'annotations', 'categories'


def read_annotations(
    source: str | os.PathLike[str] | object,
    schema: Schema,
    region: str = 'bbox',
    may_lack: Container[str] = (),
    name: str = 'the annotations',
    repairs: list[Repair] | None = None,
    any_area: bool = False,
) -> dict[str, Any]:
    """Read COCO-format annotations and check their structure.

    Args:
        source (str | os.PathLike | object): Path of the file, or its parsed content.
        schema (Mapping[str, Fields]): The lists that are needed, and the keys of their entries.
        region (str): The key of an annotation that is needed: ``bbox``, ``segmentation`` or
            ``keypoints``.
        may_lack (Container[str]): The lists of ``schema`` that may be absent.
        name (str): What to call parsed content in messages.
        repairs (list[Repair], optional): If given, the content is repaired before its entries are
            checked, and this list gets what was repaired. Defaults to None.
        any_area (bool): Whether an ``area`` of 0 or less is kept by repairs, not removed. Defaults
            to False.

    Returns:
        dict[str, Any]: The content. Parsed content that was passed is never changed.

    Raises:
        OSError: If the file cannot be opened.
        CocoFormatError: If the file is not JSON, is of another kind, or lacks a list or key, or if
            a value has the wrong type. Lists all problems of the first kind that is found.
    """
    content, where = load_json(source, name)
    kind = wrong_kind(content, region) if 'annotations' in schema else None
    repairable = repairs is not None and region == 'bbox' and _has_polygons(content)
    if kind is not None and not repairable:
        raise CocoFormatError(where, [kind])
    if not isinstance(content, dict):
        raise CocoFormatError(
            where,
            [
                f'not COCO format: expected an object with the lists {format_list(schema)}, got '
                f'a {type(content).__name__}. If these are results, pass the ground truth first'
            ],
        )
    lists = {
        key: content.get(key)
        for key in schema
        if not (key in may_lack and content.get(key) is None)
    }
    lacking = [key for key, entries in lists.items() if not isinstance(entries, list)]
    if lacking:
        raise CocoFormatError(
            where,
            [
                f'not COCO format: no list of entries {format_list(map(repr, lacking))}. Export '
                'the annotations as COCO JSON for object detection'
            ],
        )
    raise_problems(where, [text for key in lists for text in _other_entries(lists[key], key)])
    annotations: dict[str, Any] = content
    if repairs is not None:
        annotations, found = repair(annotations, any_area)
        repairs += found
    checked = {key: Entries(annotations[key], key) for key in lists}
    raise_problems(where, [p for key in lists for p in schema[key].problems(checked[key])])
    return annotations


def read_results(
    source: str | os.PathLike[str] | object, fields: Fields, name: str = 'the results'
) -> Entries:
    """Read COCO-format results, a list of detections, and check their structure.

    Some tools write annotations with scores instead: the detections are then the list in which
    entries have a ``score``.

    Args:
        source (str | os.PathLike | object): Path of the file, or its parsed content.
        fields (Fields): The keys of an entry.
        name (str): What to call parsed content in messages.

    Returns:
        Entries: The detections. May be empty.

    Raises:
        OSError: If the file cannot be opened.
        CocoFormatError: If the file is not JSON or not a list of entries, or if a key is missing or
            a value has the wrong type.
    """
    entries, where = load_json(source, name)
    around = entries if isinstance(entries, dict) else {}
    scored = [value for value in around.values() if _is_list_of_dicts(value) and _has_score(value)]
    if len(scored) == 1:
        [entries] = scored
    if not isinstance(entries, list | tuple) or not _is_list_of_dicts(list(entries)):
        hint = ''
        if isinstance(entries, dict):
            keys = format_list(entries, 8) or 'no keys'
            hint = f', got an object with {keys}. If this is the ground truth, pass it first'
        raise CocoFormatError(
            where,
            [
                'not COCO format: expected a list of entries with the keys '
                f'{format_list(fields.required)}{hint}'
            ],
        )
    results = Entries(entries, 'results', around)
    raise_problems(where, fields.problems(results))
    return results


def _has_polygons(content: object) -> bool:
    annotations = content.get('annotations') if isinstance(content, dict) else None
    return isinstance(annotations, list) and any(
        isinstance(a, dict) and box_of_polygons(a.get('segmentation')) is not None
        for a in annotations
    )


def _has_score(entries: list[Entry]) -> bool:
    return any('score' in entry for entry in entries)


def _other_entries(entries: list[Any] | None, name: str) -> list[str]:
    """Entries that are not objects with keys."""
    wrong = [(i, entry) for i, entry in enumerate(entries or []) if not isinstance(entry, dict)]
    if not wrong:
        return []
    examples = format_list(f'{entry!r:.40} (entry {i}, counted from 0)' for i, entry in wrong)
    of_all = f'of {len(entries or [])} entries of {name!r}'
    count = counted(len(wrong), 'is not an object', 'are not objects', of_all)
    return [f'not COCO format: {count} with keys: {examples}']


def _is_list_of_dicts(entries: object) -> bool:
    return isinstance(entries, list) and set(map(type, entries)) <= {dict}
