"""Which Pascal VOC files belong to which split."""

import re
from pathlib import Path

from ..findings import Findings
from .image_lists import divide, find_lists, report_unused
from .paths import IMAGE_SUFFIXES, SPLIT_WORDS, find_file, list_files, list_folders, split_named
from .similar_names import SimilarNames
from .text_files import read_lines

XML_FOLDERS = 'Annotations', 'annotations', 'Annotation', 'annotation', 'xmls', 'xml'


def find_xml_folder(folder: Path) -> Path | None:
    """The folder with the XML files, such as ``Annotations``; None if there are none.

    They may be in subfolders of it, which may be named like splits.
    """
    for name in XML_FOLDERS:
        if (folder / name).is_dir() and list_files(folder / name, ['.xml']):
            return folder / name
    if not folder.is_dir():
        return None
    splits = [path for path in list_folders(folder) if split_named(path.name)]
    inside = [path for place in (folder, *splits) for path in place.glob('*.[xX][mM][lL]')]
    return folder if any(not path.name.startswith('.') for path in inside) else None


def read_image_sets(annotations: Path, findings: Findings) -> dict[str, list[Path]]:
    """The XML files of each split: by lists in ``ImageSets``, or else by subfolders.

    Args:
        annotations (Path): Folder of the XML files.
        findings (Findings): Collects files that are not found.

    Returns:
        dict[str, list[Path]]: Files by split. All are in ``train`` if there are no splits.
    """
    root = annotations.parent if annotations.name in XML_FOLDERS else annotations
    files = list_files(annotations, ['.xml'])
    for place in (root / 'ImageSets' / 'Main', root / 'ImageSets', root, annotations):
        lists = find_lists(place) or _class_lists(place)
        trainval = sorted(place.glob('[tT]rain[vV]al.txt'))
        if 'train' not in lists and trainval:
            lists['train'] = trainval
        if lists:
            break
    else:
        sets, rest = divide(files, annotations)
        report_unused(rest, root, findings)
        return sets
    sets = {}
    for split, of_split in lists.items():
        listed = (
            path
            for file in of_split
            for path in _read_list(file, root, annotations, findings.of_split(split))
        )
        sets[split] = list(dict.fromkeys(listed))
    elsewhere = {path for split in sets.keys() - {'train'} for path in sets[split]}
    if 'train' not in sets or lists['train'] == trainval:
        sets['train'] = [p for p in sets.get('train', files) if p not in elsewhere]
    used = {path for paths in sets.values() for path in paths}
    report_unused([path for path in files if path not in used], root, findings)
    return sets


def _class_lists(folder: Path) -> dict[str, list[Path]]:
    """Lists by class, such as ``cat_train.txt``, each of which has all images of its split."""
    found = {}
    for file in sorted(folder.glob('*_*.[tT][xX][tT]')) if folder.name == 'Main' else []:
        split = SPLIT_WORDS.get(file.stem.lower().rpartition('_')[2])
        if split is not None:
            found.setdefault(split, []).append(file)
    return found


def _read_list(file: Path, root: Path, annotations: Path, findings: Findings) -> list[Path]:
    found, similar = [], SimilarNames()
    for number, line in read_lines(file):
        names = [f'{name}.xml' for name in _names(line)]
        exact = (find_file(name, [annotations, root]) for name in names)
        path = next((path for path in exact if path is not None), None)
        if path is None:
            others = (find_file(name, [annotations, root], similar) for name in names)
            path = next((path for path in others if path is not None), None)
        if path is not None:
            found.append(path)
        else:
            text = f'files not found in {annotations}'
            findings.skippable(root, text, f'{file}:{number} {_names(line)[-1]}.xml')
    return found


def _names(line: str) -> list[str]:
    """What a line may mean, without suffix: names may have blanks, and a flag may follow a name.

    PaddleDetection writes an image and its XML file on a line.
    """
    texts = [line, re.sub(r'\s+-?[01]$', '', line), line.split()[-1], line.split()[0]]
    names = []
    for text in texts:
        suffix = Path(text).suffix
        known = suffix.lower() in (*IMAGE_SUFFIXES, '.xml')
        names += [text, text.removesuffix(suffix)] if known else [text]
    return list(dict.fromkeys(names))
