"""Annotation formats that are not read: says what to export instead."""

import json
from pathlib import Path
from xml.parsers import expat

from ...datasets.check import AnnotationError
from .paths import list_files
from .text_files import read_text
from .voc import parse_with_lines, refuse_cvat

JSON_KEYS = (  # keys that only this tool writes, at the top or in the first entry
    ('LabelMe', {'shapes', 'imagePath'}),
    ('VGG Image Annotator (VIA)', {'_via_img_metadata'}),
    ('VGG Image Annotator (VIA)', {'regions', 'file_attributes'}),
    ('Label Studio', {'annotations', 'data'}),
    ('Label Studio', {'label', 'annotator'}),
    ('CreateML', {'image', 'annotations'}),
    ('Labelbox', {'data_row', 'projects'}),
    ('Supervisely', {'objects', 'size', 'description'}),
    ('BDD100K or Scalabel', {'name', 'labels'}),
    ('FiftyOne', {'samples'}),
    ('V7 Darwin', {'item', 'annotations'}),
    ('AWS Ground Truth', {'source-ref'}),
    ('Datumaro', {'items', 'media_type'}),
)
CSV_COLUMNS = (
    ('an Open Images CSV file', {'imageid', 'labelname'}),
    ('a CSV file of Roboflow or TensorFlow', {'filename', 'xmin'}),
    ('a CSV file of VGG Image Annotator (VIA)', {'filename', 'region_shape_attributes'}),
)
OTHER_SUFFIXES = {
    **dict.fromkeys(('.tfrecord', '.tfrecords', '.record'), 'a TFRecord file'),
    **dict.fromkeys(('.jsonl', '.ndjson', '.manifest'), 'a JSON Lines file'),
    **dict.fromkeys(('.parquet', '.arrow'), 'a table of Hugging Face datasets'),
}
ARCHIVES = '.zip', '.tar', '.gz', '.tgz', '.7z', '.rar'
ADVICE = (
    'Export COCO, Pascal VOC or YOLO from the tool, or convert it: globox, for example, reads '
    'boxes of LabelMe, CVAT and Open Images (not polygons, tracks or rotated boxes)'
)


def refuse_other_formats(source: Path) -> None:
    """Raise ``AnnotationError`` with advice if a file or folder has a known format not read here.

    Args:
        source (Path): Of a folder, the first JSON, CSV or XML file counts.
    """
    if source.is_dir():
        found = list_files(source, ['.json', '.csv', '.xml', *OTHER_SUFFIXES])[:1]
        if found and _name(found[0]) is not None:
            raise AnnotationError(f'{found[0]} is {_name(found[0])}, which is not read. {ADVICE}')
        return
    if source.suffix.lower() == '.xml':
        _refuse_xml(source)
    if source.suffix.lower() in ARCHIVES:
        raise AnnotationError(f'{source} is an archive: unpack it, and name what it holds')
    name = _name(source)
    if name is not None:
        raise AnnotationError(f'{source} is {name}, which is not read. {ADVICE}')


def _refuse_xml(source: Path) -> None:
    try:
        tree = parse_with_lines(source)
    except expat.ExpatError as error:
        raise AnnotationError(f'{source} is not valid XML: {error}') from None
    refuse_cvat(tree, source)
    raise AnnotationError(f'{source} is a single XML file: name the folder {source.parent}')


def _name(file: Path) -> str | None:
    """The format of a file, if it is a known one that is not read."""
    suffix = file.suffix.lower()
    if suffix == '.json':
        return _name_of_json(file)
    if suffix == '.csv':
        header = read_text(file).partition('\n')[0].lower()
        columns = {column.strip(' "\'\r') for column in header.replace(';', ',').split(',')}
        fits = (name for name, needed in CSV_COLUMNS if needed <= columns)
        return next(fits, 'a CSV file')
    return OTHER_SUFFIXES.get(suffix)


def _name_of_json(file: Path) -> str | None:
    try:
        content = json.loads(file.read_bytes())
    except ValueError:
        return None
    entries = [content]
    if isinstance(content, list):
        entries = content[:1]
    elif isinstance(content, dict) and not {'images', 'annotations'} <= content.keys():
        entries += [*content.values()][:1]  # VIA has an entry for each image
    else:
        return None
    for entry in entries:
        for name, keys in JSON_KEYS:
            if isinstance(entry, dict) and keys <= entry.keys():
                return f'{"an" if name[0] in "AEIOU" else "a"} {name} file'
    return None
