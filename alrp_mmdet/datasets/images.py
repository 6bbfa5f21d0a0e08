"""Checks the images that an annotation file lists."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from alrp.text import counted, fold_name, format_list


def image_problems(images: Sequence[dict[str, Any]], folder: str | None) -> list[str]:
    """Images without name or size, listed twice, or missing on the disk.

    Args:
        images (Sequence[dict]): ``images`` of the annotation file.
        folder (str | None): Folder that must hold them; None skips this check.

    Returns:
        list[str]: At most one sentence.
    """
    lacking = [i.get('id') for i in images if not {'file_name', 'height', 'width'} <= i.keys()]
    if lacking:
        return [
            f'{counted(len(lacking), "image has", "images have")} '
            f"no 'file_name', 'height' or 'width', ids {format_list(lacking)}"
        ]
    names = Counter(os.path.normpath(image['file_name']) for image in images)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        return [
            f'{counted(len(repeated), "image is", "images are")} listed more than once, so that no '
            f'entry has all objects: {format_list(repeated)}. Keep one entry for each, with all '
            'annotations'
        ]
    missing = {} if folder is None else _missing(images, folder)
    if not missing:
        return []
    similar = [f'{name} is {there}' for name, there in missing.items() if there is not None]
    advice = 'Check data_root and data_prefix'
    if any('\\' in name for name in missing):
        advice = "Replace '\\' by '/' in file_name; alrp new-project does so in a copy"
    elif any('://' in name for name in missing):
        advice = 'These are URLs; alrp new-project takes the files of their names, in a copy'
    elif similar:
        advice = (
            f'Capital letters count: {format_list(similar)}. alrp new-project writes a copy with '
            'the names of the files'
        )
    count = counted(len(missing), 'is', 'are', f'of {len(images)} images')
    return [f'{count} not in {folder or "."}: {format_list(missing)}. {advice}']


def _missing(images: Sequence[dict[str, Any]], folder: str) -> dict[str, str | None]:
    """Names of missing images, with the name of the only file that is similar, or None."""
    listings: dict[str, dict[str, list[str]]] = {}
    missing = {}
    for image in images:
        parent, name = os.path.split(os.path.join(folder, image['file_name']))
        if parent not in listings:  # one listing is cheaper than a look at every file
            found = listings[parent] = {}
            for entry in os.listdir(parent) if os.path.isdir(parent) else []:
                found.setdefault(fold_name(entry), []).append(entry)
        similar = listings[parent].get(fold_name(name), [])
        if name not in similar:
            missing[image['file_name']] = similar[0] if len(similar) == 1 else None
    return missing
