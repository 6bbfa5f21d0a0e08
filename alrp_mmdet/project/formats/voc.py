"""Reader for Pascal VOC annotations: one XML file per image."""

import xml.etree.ElementTree as ET
from math import isfinite, nan
from pathlib import Path
from xml.parsers import expat

from alrp.coco import as_id
from alrp.text import parse_flag

from ...datasets.check import AnnotationError
from ..findings import Findings
from .paths import IMAGE_SUFFIXES, list_files, posix_path
from .split import ParsedImage, Split, build_split
from .text_files import read_text
from .voc_images import VocImages
from .voc_sets import find_xml_folder, read_image_sets

LINE = 'line number'  # the space keeps it apart from real XML attributes
CORNERS = 'xmin', 'ymin', 'xmax', 'ymax'
OTHER_SHAPES = dict(
    polygon=', but with a polygon, as in the XML of LabelMe: export Pascal VOC, COCO or YOLO',
    robndbox=', but with a rotated box (robndbox): export boxes that are not rotated',
)


def read_voc(folder: Path, images: Path | None, findings: Findings) -> dict[str, Split]:
    """Read a folder of XML files, or one with ``Annotations`` and ``ImageSets/Main``.

    Difficult objects become crowds: neither trained on nor counted as missed.

    Args:
        folder (Path): The folder.
        images (Path | None): Image folder; None to search near the XML files.
        findings (Findings): Collects problems.

    Returns:
        dict[str, Split]: The image sets ``train``, ``val`` and ``test``; only ``train`` if there
        are no image sets. Boxes are ``corners``. Classes are those of all splits, sorted by name.

    Raises:
        AnnotationError: If there are no XML files, or if they are of another format.
    """
    annotations = find_xml_folder(folder)
    if annotations is None:
        raise AnnotationError(f'{folder}: no XML files in it or in its subfolder Annotations')
    known = VocImages(annotations, images)
    sets = {
        name: parsed
        for name, paths in read_image_sets(annotations, findings).items()
        if (parsed := _read_files(paths, known, findings.of_split(name)))
    }
    used = [image.path for files in sets.values() for image in files]
    stems = (path.stem for path in list_files(annotations, ['.xml']))
    known.report_unannotated(used, stems, folder, findings)
    _order_corners(
        [o for files in sets.values() for file in files for o in file.objects], folder, findings
    )
    classes = sorted({o['name'] for files in sets.values() for file in files for o in file.objects})
    labels = {name: i for i, name in enumerate(classes)}
    for files in sets.values():
        for file in files:
            for entry in file.objects:
                entry['label'] = labels[entry.pop('name')]
    return {name: build_split(str(folder), files, classes) for name, files in sets.items()}


def _read_files(paths: list[Path], known: VocImages, findings: Findings) -> list[ParsedImage]:
    parsed = (_read_xml(path, known, findings) for path in paths)
    return [image for image in parsed if image is not None]


def _read_xml(path: Path, known: VocImages, findings: Findings) -> ParsedImage | None:
    """Parse a file; None if it is not usable. Objects have a ``name`` instead of a ``label``."""
    try:
        tree = parse_with_lines(path)
    except expat.ExpatError as error:
        findings.skippable(path.parent, 'invalid XML files', f'{path.name}: {error}')
        return None
    except AnnotationError as error:
        findings.skippable(path.parent, 'XML files of another encoding', str(error))
        return None
    refuse_cvat(tree, path)
    if tree.tag != 'annotation':
        text = 'XML files that are not Pascal VOC annotations: ignored'
        findings.warning(path.parent, text, f'{path.name} <{tree.tag}>')
        return None
    filename = tree.findtext('filename', '').strip()
    image = known.find(path, filename, tree.findtext('folder', '').strip(), findings)
    if image is None:
        named = Path(posix_path(filename)).name
        missing = path.stem if Path(named).suffix.lower() not in IMAGE_SUFFIXES else named
        text = 'images not found; use --images to give their folder'
        findings.skippable(path.parent, text, f'{missing} of {path.name}')
    objects = [_parse_object(node, path, findings) for node in tree.findall('object')]
    if image is None:  # its objects may have errors, too
        return None
    size = {}
    for key in ('width', 'height'):
        number = as_id(tree.findtext(f'size/{key}', '0'))
        if isinstance(number, int) and number > 0:
            size[key] = number
    if len(size) < 2:
        written = 'x'.join(tree.findtext(f'size/{key}', '').strip() for key in ('width', 'height'))
        detail = f'{path.name} ({written})' if written != 'x' else path.name
        findings.warning(path.parent, 'XML files without a size: read from the image', detail)
        size = {}
    return ParsedImage(image, size, [o for o in objects if o is not None])


def _order_corners(objects: list[dict], place: Path, findings: Findings) -> None:
    """Exchange corners of boxes that were drawn from right to left or upwards.

    If most boxes are like that, the numbers mean something else.
    """
    wrong = [o for o in objects if min(o['corners']) >= 0 and not _is_ordered(*o['corners'])]
    if 2 * len(wrong) > len(objects):
        for entry in wrong:
            text = 'most objects have xmin > xmax or ymin > ymax: are these width and height?'
            findings.error(place, text, entry['read_from'])
        return
    for entry in wrong:
        x1, y1, x2, y2 = entry['corners']
        entry['corners'] = [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]
        findings.warning(
            place, 'objects with xmin > xmax or ymin > ymax: exchanged', entry['read_from']
        )


def _is_ordered(x1: float, y1: float, x2: float, y2: float) -> bool:
    return x1 <= x2 and y1 <= y2


def refuse_cvat(tree: ET.Element, path: Path) -> None:
    """Raise ``AnnotationError`` for CVAT's own XML."""
    if tree.tag == 'annotations':
        raise AnnotationError(
            f"{path} is CVAT's own XML (<annotations>), not Pascal VOC: export the task from CVAT "
            'as COCO 1.0, Pascal VOC 1.1 or YOLO 1.1'
        )


def _parse_object(node: ET.Element, path: Path, findings: Findings) -> dict | None:
    where = f'{path.name}:{node.get(LINE)}'
    name = node.findtext('name', '').strip()
    if not name:
        findings.skippable(path.parent, 'objects without a name; add it in the XML file', where)
        return None
    box = node.find('bndbox')
    if box is None:
        other = next((text for tag, text in OTHER_SHAPES.items() if node.find(tag) is not None), '')
        if other:
            findings.error(path.parent, f'objects without a bndbox{other}', where)
        else:
            text = 'objects without a bndbox; add it in the XML file'
            findings.skippable(path.parent, text, f'{where} {name}')
        return None
    corners, problem = _parse_corners(box)
    if problem:
        text = 'objects whose bndbox is not four numbers; correct it in the XML file'
        findings.skippable(path.parent, text, f'{where} {name}: {problem}')
        return None
    text = node.findtext('difficult', '')
    difficult = parse_flag(text or '0')
    if difficult is None:
        words = 'objects whose difficult is neither 0 nor 1: read as not difficult'
        findings.warning(path.parent, words, f'{text.strip()!r} {where}')
    return dict(name=name, corners=corners, iscrowd=int(difficult or 0), read_from=where)


def _parse_corners(box: ET.Element) -> tuple[list[float], str]:
    """The corners of a ``bndbox``, and what is wrong with them; empty if they are finite."""
    corners, problems = [], []
    for key in CORNERS:
        text = box.findtext(key)
        try:
            corners.append(float(text or ''))
        except ValueError:
            corners.append(nan)
        if not isfinite(corners[-1]):
            problems.append(f'no {key}' if text is None else f'{key} is {text.strip()!r}')
    return corners, ', '.join(problems)


def parse_with_lines(path: Path) -> ET.Element:
    """Like ``ElementTree.parse``; tags in lower case, line numbers as attribute ``LINE``."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: builder.start(
        tag.lower(), {LINE: str(parser.CurrentLineNumber)}
    )
    parser.EndElementHandler = lambda tag: builder.end(tag.lower())
    parser.CharacterDataHandler = builder.data
    parser.Parse(read_text(path).removeprefix('\ufeff'), True)
    return builder.close()
