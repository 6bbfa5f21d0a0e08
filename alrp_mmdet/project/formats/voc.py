"""Reader for Pascal VOC annotations: one XML file per image."""

import xml.etree.ElementTree as ET
from math import isfinite
from pathlib import Path
from xml.parsers import expat

from ...datasets.check import AnnotationError
from ..findings import Findings
from .split import IMAGE_SUFFIXES, ParsedImage, Split, build_split, list_images

LINE = 'line number'  # the space keeps it apart from real XML attributes
CORNERS = 'xmin', 'ymin', 'xmax', 'ymax'


def find_xml_folder(folder: Path) -> Path | None:
    """The folder with the XML files: ``Annotations`` in it, or itself; None if there are none."""
    for candidate in (folder / 'Annotations', folder):
        if candidate.is_dir() and any(candidate.glob('*.xml')):
            return candidate
    return None


def read_voc(folder: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a folder of XML files, or one with ``Annotations`` and ``ImageSets/Main``.

    Difficult objects become crowds: neither trained on nor counted as missed. The image of an XML
    file is the one with the same name, or else the one that the file names.

    Args:
        folder (Path): The folder.
        images (Path | None): Image folder; None to search near the XML files.
        findings (Findings): Collects problems.

    Returns:
        dict[str, Split]: The image sets ``train``, ``val`` and ``test``; only ``train`` if there
        are no image sets. Boxes are ``corners``. Classes are those of all splits, sorted by name.

    Raises:
        AnnotationError: If there are no XML files.
    """
    annotations = find_xml_folder(folder)
    if annotations is None:
        raise AnnotationError(f'{folder}: no XML files in it or in its subfolder Annotations')
    root = annotations.parent if annotations.name == 'Annotations' else annotations
    image_folders = [images] if images is not None else _default_image_folders(annotations)
    known = _index_images(image_folders)
    sets = {
        name: parsed
        for name, paths in _read_image_sets(root, annotations, findings).items()
        if (parsed := [p for path in paths if (p := _read_xml(path, known, findings)) is not None])
    }
    classes = sorted({o['name'] for files in sets.values() for file in files for o in file.objects})
    labels = {name: i for i, name in enumerate(classes)}
    for files in sets.values():
        for file in files:
            for entry in file.objects:
                entry['label'] = labels[entry.pop('name')]
    return {name: build_split(str(folder), files, classes) for name, files in sets.items()}


def _default_image_folders(annotations: Path) -> list[Path]:
    parent = annotations.parent
    places = [place / name for place in (annotations, parent) for name in ('JPEGImages', 'images')]
    return [annotations, *places, *([parent] if annotations.name == 'Annotations' else [])]


def _index_images(folders: list[Path]) -> dict[str, Path]:
    """Images by file name and by stem; earlier folders win."""
    known = {}
    for folder in folders:
        for path in list_images(folder) if folder.is_dir() else []:
            known.setdefault(path.name, path)
            known.setdefault(path.stem, path)
    return known


def _read_image_sets(root: Path, annotations: Path, findings: Findings) -> dict[str, list[Path]]:
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
                    root, f'files not found in {annotations}', f'{file}:{number} {path.name}'
                )
    return sets


def _read_xml(path: Path, known: dict[str, Path], findings: Findings) -> ParsedImage | None:
    """Parse a file; None if it is not XML. Objects have a ``name`` instead of a ``label``."""
    try:
        tree = _parse_with_lines(path)
    except (expat.ExpatError, ValueError) as error:
        findings.error(path.parent, 'invalid XML files', f'{path.name}: {error}')
        return None
    named = Path(tree.findtext('filename', '').strip().replace('\\', '/')).name
    image = known.get(path.stem) or known.get(named) or known.get(Path(named).stem)
    if image is None:
        missing = path.stem if Path(named).suffix.lower() not in IMAGE_SUFFIXES else named
        findings.error(
            path.parent,
            'images not found; use --images to give their folder',
            f'{missing} of {path.name}',
        )
        image = path.parent / missing
    size = {}
    for key in ('width', 'height'):
        text = tree.findtext(f'size/{key}', '0').strip()
        if text.isdigit() and int(text) > 0:
            size[key] = int(text)
    objects = (_parse_object(node, path, findings) for node in tree.findall('object'))
    return ParsedImage(image, size if len(size) == 2 else {}, [o for o in objects if o is not None])


def _parse_object(node: ET.Element, path: Path, findings: Findings) -> dict | None:
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
        findings.error(path.parent, f'bndbox without numbers for {", ".join(CORNERS)}', where)
        return None
    difficult = node.findtext('difficult', '0').strip() not in ('', '0')
    return dict(name=name, corners=corners, iscrowd=int(difficult), read_from=where)


def _parse_with_lines(path: Path) -> ET.Element:
    """Like ``ElementTree.parse``, but each element has its line number as attribute ``LINE``."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: builder.start(
        tag, {LINE: str(parser.CurrentLineNumber)}
    )
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(path.read_bytes(), True)
    return builder.close()
