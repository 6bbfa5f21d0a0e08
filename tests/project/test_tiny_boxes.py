"""Boxes of a pixel or two, which accidental clicks leave behind, are a warning."""

import re

import pytest
from format_writers import write_coco, write_voc, write_yolo
from load_helpers import load_warnings

WRITERS = dict(coco=write_coco, voc=write_voc, yolo=write_yolo)
PLACES = dict(coco='id 2 of 0_2.png', voc='0_2.xml:4', yolo='labels/0_2.txt:1')


@pytest.mark.parametrize('format', WRITERS)
@pytest.mark.parametrize('size', [(1, 1), (2, 30), (30, 2)])
def test_tiny_boxes(tmp_path, content, format, size):
    assert 'pixels wide' not in load_warnings(WRITERS[format](tmp_path, content))
    content['annotations'][1].update(bbox=[0, 0, *size], area=size[0] * size[1])
    text = load_warnings(WRITERS[format](tmp_path, content))
    place = rf'{PLACES[format]} \({size[0]}x{size[1]}\)'
    assert re.search(rf'at most 2 pixels wide or high.*\(1x: {place}\)', text)


def test_small_boxes_are_no_accident(tmp_path, content):
    content['annotations'][1].update(bbox=[0, 0, 3, 3], area=9)
    assert 'pixels wide' not in load_warnings(write_coco(tmp_path, content))
