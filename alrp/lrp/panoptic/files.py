"""Reads panoptic annotations and results, and checks them before any PNG is read."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ...coco.columns import ID, NUMBER, TEXT, Types, repeated
from ...coco.entries import Entries
from ...coco.source import CocoFormatError, load_json, raise_problems
from ...text import format_list
from .segments import NUM_IDS, VOID, Categories, Segments

Source = str | os.PathLike[str] | Mapping[str, Any]
WHOLE: Types = (int, np.integer)
FLAG: Types = (*WHOLE, bool)
KEY = re.compile(rb'"segments_info"\s*:')


@dataclass(frozen=True)
class PanopticFile:
    """Annotations or results of N images.

    Attributes:
        where (str): The file, or what the content is called in messages.
        image_ids (list): N ids.
        file_names (list[str]): The PNG of each image.
        segments (Segments): Of all images, in the order of the file.
    """

    where: str
    image_ids: list[Any]
    file_names: list[str]
    segments: Segments

    def paths(self, folder: Path) -> list[Path]:
        """The PNGs in a folder.

        Raises:
            CocoFormatError: If the folder or a PNG is missing.
        """
        if not folder.is_dir():
            raise CocoFormatError(str(folder), [f'no such folder, for the PNGs of {self.where}'])
        paths = [folder / name for name in self.file_names]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            text = f'{len(missing)} of {len(paths)} PNGs are missing: {format_list(missing)}'
            raise CocoFormatError(str(folder), [f'{text} (named in {self.where})'])
        return paths

    def label(self, segment: int) -> str:
        """What a message calls a segment."""
        image = self.image_ids[self.segments.image[segment]]
        return f'id {self.segments.id[segment]} of image {image}'


class _Images(Entries):
    def label(self, position: int) -> str:
        entry = self.entries[position]
        if 'image_id' in entry:
            return f'image {entry["image_id"]}'
        return super().label(position)


class _Segments(Entries):
    def label(self, position: int) -> str:
        entry = self.entries[position]
        return f'id {entry.get("id")} of image {self.around["image_ids"][position]}'


def is_panoptic(path: str | os.PathLike[str]) -> bool:
    """Whether a JSON file has panoptic annotations or results. Does not parse the file."""
    return KEY.search(Path(path).read_bytes()) is not None


def read_truth(source: Source, name: str = 'the ground truth') -> tuple[PanopticFile, Categories]:
    """Read annotations in COCO panoptic format.

    Args:
        source (str | os.PathLike | dict): Path of the JSON file, or its content.
        name (str): What to call content in messages.

    Returns:
        tuple[PanopticFile, Categories]: The annotations and categories.

    Raises:
        OSError: If the file cannot be opened.
        CocoFormatError: If the file is not JSON or of another kind, or if a value is missing, not
            finite, duplicated or unknown.
    """
    content, where = load_json(source, name)
    annotations = _list_of(content, 'annotations', where)
    categories = _categories(_list_of(content, 'categories', where), where)
    types = dict(id=WHOLE, category_id=ID, area=NUMBER, iscrowd=FLAG)
    return _read(annotations, categories, types, where), categories


def read_results(
    source: Source, truth: PanopticFile, categories: Categories, name: str = 'the results'
) -> PanopticFile:
    """Read results in COCO panoptic format. Images that the ground truth lacks are left out.

    Args:
        source (str | os.PathLike | dict): Path of the JSON file, or its content.
        truth (PanopticFile): The ground truth.
        categories (Categories): Its categories.
        name (str): What to call content in messages.

    Returns:
        PanopticFile: The results, in the order of images of the ground truth.

    Raises:
        OSError: If the file cannot be opened.
        CocoFormatError: As ``read_truth``, and if an image has no result.
    """
    content, where = load_json(source, name)
    annotations = _list_of(content, 'annotations', where)
    _check_images(annotations, where)
    by_image = {entry['image_id']: entry for entry in annotations}
    lacking = [image_id for image_id in truth.image_ids if image_id not in by_image]
    if lacking:
        number = f'{len(lacking)} of {len(truth.image_ids)} images'
        raise CocoFormatError(where, [f'no prediction for {number}: ids {format_list(lacking)}'])
    entries = [by_image[image_id] for image_id in truth.image_ids]
    return _read(entries, categories, dict(id=WHOLE, category_id=ID), where)


def _list_of(content: Any, key: str, where: str) -> list[dict[str, Any]]:
    entries = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not set(map(type, entries)) <= {dict}:
        raise CocoFormatError(
            where, [f'not COCO panoptic format: expected an object with a list of {key!r}']
        )
    return entries


def _categories(entries: list[dict[str, Any]], where: str) -> Categories:
    listed = Entries(entries, 'categories')
    raise_problems(where, listed.missing_keys(['id', 'isthing']))
    raise_problems(where, listed.wrong_types(dict(id=ID, isthing=FLAG)))
    raise_problems(where, listed.shared_ids())
    odd = [i for i, entry in enumerate(entries) if entry['isthing'] not in (0, 1)]
    raise_problems(where, [listed.problem('isthing', odd, 'is not 0 or 1')] if odd else [])
    mixed = len({isinstance(entry['id'], str) for entry in entries}) > 1
    raise_problems(where, ['some category ids are numbers and others text'] if mixed else [])
    entries = sorted(entries, key=lambda entry: entry['id'])
    return Categories(
        ids=[entry['id'] for entry in entries],
        names=[str(entry.get('name', entry['id'])) for entry in entries],
        isthing=[bool(entry['isthing']) for entry in entries],
    )


def _check_images(annotations: list[dict[str, Any]], where: str) -> None:
    images = _Images(annotations, 'annotations')
    raise_problems(where, images.missing_keys(['image_id', 'file_name', 'segments_info']))
    problems = images.wrong_types(dict(image_id=ID, file_name=TEXT))
    odd = [
        i
        for i, segments in enumerate(images.values('segments_info'))
        if not isinstance(segments, list) or not set(map(type, segments)) <= {dict}
    ]
    problems += [images.problem('segments_info', odd, 'is not a list of segments')] if odd else []
    raise_problems(where, problems)
    for key, what in dict(image_id='images', file_name='PNGs').items():
        shared = repeated(images.values(key))
        if shared:
            text = f'{len(shared)} {what} belong to more than one annotation'
            raise CocoFormatError(where, [f'{text}, by {key}: {format_list(shared)}'])


def _read(
    annotations: list[dict[str, Any]],
    categories: Categories,
    types: Mapping[str, Types],
    where: str,
) -> PanopticFile:
    _check_images(annotations, where)
    image_ids = [entry['image_id'] for entry in annotations]
    counts = [len(entry['segments_info']) for entry in annotations]
    image = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    entries = [*chain.from_iterable(entry['segments_info'] for entry in annotations)]
    segments = _Segments(
        entries, 'segments', dict(image_ids=[image_ids[i] for i in image.tolist()])
    )
    raise_problems(where, segments.missing_keys(types))
    raise_problems(where, segments.wrong_types(types))
    known = {category_id: k for k, category_id in enumerate(categories.ids)}
    raise_problems(
        where, segments.unknown_references('category_id', known.keys(), 'the categories')
    )
    is_truth = 'area' in types
    raise_problems(where, _out_of_range(segments, is_truth))
    found = Segments(
        image=image,
        id=np.array(segments.values('id'), dtype=np.int64).reshape(-1),
        category=np.array([known[c] for c in segments.values('category_id')], dtype=np.int64),
        area=np.array(segments.values('area') if is_truth else [], dtype=np.float64),
        crowd=np.array(segments.values('iscrowd') if is_truth else [], dtype=np.bool_),
    )
    raise_problems(where, _repeated_ids(segments, found))
    names = [entry['file_name'] for entry in annotations]
    return PanopticFile(where, image_ids, names, found)


def _out_of_range(segments: Entries, is_truth: bool) -> list[str]:
    """Ids that no colour of a pixel has, negative areas, and flags other than 0 and 1."""
    lowest = VOID + 1 if is_truth else VOID
    limits: dict[str, tuple[float, float, str]] = dict(
        id=(lowest, NUM_IDS - 1, f'is not from {lowest} to {NUM_IDS - 1}')
    )
    if is_truth:
        limits |= dict(
            area=(0, float('inf'), 'is negative'),
            iscrowd=(0, 1, 'is not 0 or 1'),
        )
    problems = []
    for key, (low, high, what) in limits.items():
        odd = [i for i, value in enumerate(segments.values(key)) if not low <= value <= high]
        problems += [segments.problem(key, odd, what)] if odd else []
    return problems


def _repeated_ids(segments: Entries, found: Segments) -> list[str]:
    keys, counts = np.unique(found.key, return_counts=True)
    shared = np.flatnonzero(np.isin(found.key, keys[counts > 1])).tolist()
    if not shared:
        return []
    return [segments.problem('id', shared, 'another segment of the image has')]
