"""Pascal VOC: an XML file for each image."""

import xml.etree.ElementTree as ET
from math import isfinite
from pathlib import Path
from xml.parsers import expat

from ...datasets.check import AnnotationError
from ..findings import Findings
from .split import SUFFIXES, Split, images_in, make_split

LINE = 'line of the file'  # no XML attribute can have this name
CORNERS = 'xmin', 'ymin', 'xmax', 'ymax'


def annotation_folder(folder: Path) -> Path | None:
    """Where in a folder the XML files are; None if there are none."""
    for candidate in (folder / 'Annotations', folder):
        if candidate.is_dir() and any(candidate.glob('*.xml')):
            return candidate
    return None


def read_voc(folder: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a folder of XML files, or one that has ``Annotations`` and ``ImageSets/Main``.

    A difficult object becomes a crowd: neither trained on nor counted as missed. An image is the
    file named as the XML file, or else the one that it names.

    Args:
        folder (Path): The folder.
        images (Path | None): Folder of the images; None to look beside the XML files.
        findings (Findings): Takes what is wrong.

    Returns:
        dict[str, Split]: By the names of the image sets, ``train`` if there are none. Boxes are
        ``corners``, for ``to_pixels``. Classes are in alphabetical order, of all splits.

    Raises:
        AnnotationError: If there is no XML file.
    """
    annotations = annotation_folder(folder)
    if annotations is None:
        raise AnnotationError(f'{folder}: there are no XML files in it, nor in its Annotations')
    root = annotations.parent if annotations.name == 'Annotations' else annotations
    known = _index([images] if images is not None else [annotations, *_near(annotations)])
    sets = {
        name: read
        for name, names in _image_sets(root, annotations, findings).items()
        if (read := [r for path in names if (r := _read(path, known, findings)) is not None])
    }
    classes = sorted({o['name'] for files in sets.values() for _, _, found in files for o in found})
    label = {name: i for i, name in enumerate(classes)}
    for files in sets.values():
        for _, _, found in files:
            for entry in found:
                entry['label'] = label[entry.pop('name')]
    return {name: make_split(str(folder), files, classes) for name, files in sets.items()}


def _near(annotations: Path) -> list[Path]:
    parent = annotations.parent
    return [
        place / name for place in (annotations, parent) for name in ('JPEGImages', 'images')
    ] + ([parent] if annotations.name == 'Annotations' else [])


def _index(folders: list[Path]) -> dict[str, Path]:
    """Images by their name and by their stem. What is found first counts."""
    known = {}
    for folder in folders:
        for path in images_in(folder) if folder.is_dir() else []:
            known.setdefault(path.name, path)
            known.setdefault(path.stem, path)
    return known


def _image_sets(root: Path, annotations: Path, findings: Findings) -> dict[str, list[Path]]:
    """The XML files of each split."""
    folder = root / 'ImageSets' / 'Main'
    names = [name for name in ('train', 'val', 'test') if (folder / f'{name}.txt').is_file()]
    if 'train' not in names and (folder / 'trainval.txt').is_file():
        names = ['trainval', *(name for name in names if name == 'test')]
    if 'train' not in names and 'trainval' not in names:
        return dict(train=sorted(annotations.glob('*.xml')))
    sets = {}
    for name in names:
        file = folder / f'{name}.txt'
        paths = sets.setdefault('train' if name == 'trainval' else name, [])
        for number, line in enumerate(file.read_text(encoding='utf-8-sig').splitlines(), 1):
            if not line.strip():
                continue
            path = annotations / f'{line.split()[0]}.xml'
            if path.is_file():
                paths.append(path)
            else:
                findings.error(
                    root, f'there is no such file in {annotations}', f'{file}:{number} {path.name}'
                )
    return sets


def _read(path: Path, known: dict[str, Path], findings: Findings):
    """Path of the image, what the file says of it, and its objects; None if unusable."""
    try:
        tree = _parse(path)
    except (expat.ExpatError, ValueError) as error:
        findings.error(path.parent, 'files that are not XML', f'{path.name}: {error}')
        return None
    named = Path(tree.findtext('filename', '').strip().replace('\\', '/')).name
    image = known.get(path.stem) or known.get(named) or known.get(Path(named).stem)
    if image is None:
        missing = path.stem if Path(named).suffix.lower() not in SUFFIXES else named
        findings.error(
            path.parent,
            'images that are missing; name their folder with --images if they are elsewhere',
            f'{missing} of {path.name}',
        )
        image = path.parent / missing
    size = {}
    for key in ('width', 'height'):
        text = tree.findtext(f'size/{key}', '0').strip()
        if text.isdigit() and int(text) > 0:
            size[key] = int(text)
    objects = (_object(node, path, findings) for node in tree.findall('object'))
    return image, size if len(size) == 2 else {}, [o for o in objects if o is not None]


def _object(node: ET.Element, path: Path, findings: Findings) -> dict | None:
    where = f'{path.name}:{node.get(LINE)}'
    name = node.findtext('name', '').strip()
    if not name:
        findings.error(path.parent, 'objects without a name', where)
        return None
    box = node.find('bndbox')
    if box is None:
        findings.error(path.parent, 'objects without a bndbox', where)
        return None
    corners = []
    for key in CORNERS:
        try:
            corners.append(float(box.findtext(key, '')))
        except ValueError:
            corners.append(float('nan'))
    if not all(map(isfinite, corners)):
        findings.error(path.parent, f'bndbox without four numbers {", ".join(CORNERS)}', where)
        return None
    difficult = node.findtext('difficult', '0').strip() not in ('', '0')
    return dict(name=name, corners=corners, iscrowd=int(difficult), read_from=where)


def _parse(path: Path) -> ET.Element:
    """As ``ElementTree.parse``, with the line of each element among its attributes."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: builder.start(
        tag, {LINE: str(parser.CurrentLineNumber)}
    )
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(path.read_bytes(), True)
    return builder.close()
