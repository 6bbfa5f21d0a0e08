"""Class names that may be misspelt are reported with their first object and how to rename them."""

import json
import re

import pytest
from format_writers import write_coco, write_voc, write_yolo
from load_helpers import load_warnings

WRITERS = dict(coco=write_coco, voc=write_voc, yolo=write_yolo)
FIRST = dict(coco='id 10 of 0_5.png', voc='0_5.xml:5', yolo='labels/0_5.txt:2')
ADVICE = dict(coco='category_id', voc='<name>', yolo='number')


def add_object(content, name):
    """Add an object of a class, which may be new, to the fifth image, which has one object."""
    names = [category['name'] for category in content['categories']]
    if name not in names:
        content['categories'].append(dict(id=len(names) + 1, name=name))
        names.append(name)
    box, count = [2, 3, 9, 9], len(content['annotations'])
    ids = dict(id=count + 1, image_id=5, category_id=names.index(name) + 1)
    content['annotations'].append(dict(**ids, bbox=box, area=81, iscrowd=0))


@pytest.mark.parametrize('format', WRITERS)
def test_names_that_differ_in_case(tmp_path, content, format):
    add_object(content, 'Nut')
    text = load_warnings(WRITERS[format](tmp_path, content))
    names = rf"'Nut' \(1 object, first in {FIRST[format]}\)"
    assert re.search(rf'upper and lower case.*{ADVICE[format]}.*\(1x: .*{names}', text)
    assert re.search(r"'nut' \(3 objects, first in ", text)
    assert 'at most 2 objects' not in text


@pytest.mark.parametrize('format', WRITERS)
def test_rare_classes(tmp_path, content, format):
    add_object(content, 'blot')
    path = WRITERS[format](tmp_path, content)
    assert 'at most 2' not in load_warnings(path)  # all classes are rare
    for _ in range(20):
        add_object(content, 'bolt')
    text = load_warnings(WRITERS[format](tmp_path, content))
    names = rf"'blot' \(1 object, first in {FIRST[format]}\)"
    assert re.search(rf'at most 2 objects.*{ADVICE[format]}.*{names}', text)
    assert "'nut'" not in text and "'bolt'" not in text


def test_a_spelling_without_objects(tmp_path, content):
    path = write_coco(tmp_path, content)
    content['categories'].append(dict(id=4, name='NUT'))
    path.write_text(json.dumps(content))
    assert re.search(r"'nut' \(3 objects.*'NUT' \(no objects\)", load_warnings(path))
