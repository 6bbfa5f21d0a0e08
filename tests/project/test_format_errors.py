"""Errors and warnings name the file, line, entry or image."""

import re
import shutil

import cv2
import numpy as np
import pytest
from format_writers import by_file, make_coco, write_coco, write_voc, write_yolo
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('a.json', '{"images": [', 'JSON.*line 1'),
        ('a.json', '[{"image_id": 1, "bbox": [], "score": 0.5}]', '(?i)results|detections'),
        (
            'a.json',
            '{"images": [], "annotations": [{"keypoints": []}]}',
            'keypoints.*bbox',
        ),
        ('a.json', '{"images": [], "annotations": [{"segmentation": []}]}', 'masks.*bbox'),
        ('a.json', '{"images": [], "annotations": [{"caption": ""}]}', 'captions.*bbox'),
        ('a.json', '{"images": [], "annotations": [{"segments_info": []}]}', 'panoptic.*bbox'),
        (
            'a.json',
            '{"images": [{"id": 1}], "categories": [], "annotations": []}',
            'no categories: is this',
        ),
        (
            'a.json',
            '{"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": []}',
            r"'file_name'.*id 1\b",
        ),
        (
            'a.json',
            '{"images": [], "categories": [], "annotations": []}',
            r'a\.json has no images and no categories: is this the right file\?$',
        ),
        ('a.yaml', 'names: [a]\nval: .', r"no key 'train'.* such as train: images"),
        ('a.yaml', 'names: [a\ntrain: x', r'YAML.*line 2'),
        ('a.yaml', 'train: images', r"'names'.* such as names: \[cat, dog\]"),
        ('a.yaml', 'names: [a]\nnc: 2\ntrain: images', 'nc is 2.* 1 '),
        ('a.yaml', 'names: {1: a}\ntrain: images', r'names .*\[1\]'),
        ('a.yaml', 'names: [a]\nkpt_shape: [17, 3]', 'kpt_shape'),
        ('a.yaml', 'names: [a]', r'no images.*--images'),
        ('a.txt', '', r'a\.txt.* format.*\.json.*\.xml.*data\.yaml'),
    ],
)
def test_unusable_annotation_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationError, match=message):
        load_data(tmp_path / name)


def test_missing_paths(tmp_path, content):
    with pytest.raises(AnnotationError, match='nowhere does not exist'):
        load_data(tmp_path / 'nowhere')
    with pytest.raises(AnnotationError, match=rf'{tmp_path}: .* format.*\.json'):
        load_data(tmp_path)
    with pytest.raises(AnnotationError, match=r'no XML.* Annotations'):
        load_data(tmp_path, format='voc')
    path = write_coco(tmp_path, content)
    (tmp_path / 'empty').mkdir()
    for options in (dict(images=tmp_path / 'lost'), dict(val=tmp_path / 'lost')):
        with pytest.raises(AnnotationError, match='lost does not exist'):
            load_data(path, **options)
    with pytest.raises(AnnotationError, match=r'0_1\.png.*empty.*--images'):
        load_data(path, images=tmp_path / 'empty')
    with pytest.raises(AnnotationError, match=r'data\.yaml.* --images'):
        load_data(write_yolo(tmp_path, content), images=tmp_path / 'empty')
    with pytest.raises(AnnotationError, match=r'voc .*folder'):
        load_data(path, format='voc')


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('<name>nut</name>', '<name> </name>', r'without a name; .* \(1x: 0_2\.xml:5\)'),
        ('<bndbox>', '<polygon>', r'XML .*\(1x: 0_2\.xml: mismatched tag: line 4'),
        ('bndbox', 'box', r'without a bndbox; .* \(2x: 0_2\.xml:4'),
        ('bndbox', 'robndbox', r'without a bndbox.*robndbox.* \(2x: 0_2\.xml:4'),
        ('bndbox', 'polygon', r'without a bndbox.*LabelMe.* \(2x: 0_2\.xml:4'),
        ('<xmax>', '<xmax>-', r'area.*0_2\.xml:4'),
        ('<width>', '<width>9', r'size.*0_2\.png is 80x60, annotated as 980x60'),
    ],
)
def test_xml_errors_name_file_and_line(tmp_path, content, old, new, message):
    write_voc(tmp_path, content)
    file = tmp_path / 'Annotations' / '0_2.xml'
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert re.search(message, load_errors(tmp_path))


def test_xml_without_image_or_size(tmp_path, content):
    write_voc(tmp_path, content)
    (tmp_path / 'images' / '0_2.png').rename(tmp_path / 'images' / 'renamed.png')
    assert re.search(r'images not found.*--images.*0_2\.png of 0_2\.xml', load_errors(tmp_path))
    file = tmp_path / 'Annotations' / '0_2.xml'
    text = file.read_text()
    file.write_text(text.replace('0_2.png', 'renamed.png').replace('<width>80', '<width>0'))
    assert load_by_file(tmp_path)['renamed.png'] == by_file(content)['0_2.png']


@pytest.mark.parametrize(
    'line, message',
    [
        ('3 .5 .5 .1 .1', r'class .*0 to 2: .* \(1x: labels/0_2\.txt:3 3 \.5'),
        ('-1 .5 .5 .1 .1', r'class .*0 to 2: .* \(1x: labels/0_2\.txt:3 -1'),
        ('nut .5 .5 .1 .1', r'class .*0 to 2: .* \(1x: labels/0_2\.txt:3 nut'),
        ('1 40 30 8 9', r'fractions .*width and height \(1x: labels/0_2\.txt:3 1'),
        ('1 .5 .5 .1 .1 .9', r'six .*score\. .* \(1x: labels/0_2\.txt:3 1'),
        ('1 .5 .5 0 .1', r'area.*labels/0_2\.txt:3'),
        ('1 1.5 .5 .1 .1', r'outside.*labels/0_2\.txt:3'),
    ],
)
def test_label_errors_name_file_and_line(tmp_path, content, line, message):
    path = write_yolo(tmp_path, content)
    with (tmp_path / 'labels' / '0_2.txt').open('a') as file:
        file.write(line)
    assert re.search(message, load_errors(path))


def test_polygons_are_boxes_without_masks(tmp_path, content):
    path = write_yolo(tmp_path, content)
    (tmp_path / 'labels' / '0_2.txt').write_text('1 .25 .5 .5 .25 .75 .5 .5 .75')
    assert re.search(r'polygons.*\(1x: labels/0_2\.txt:1\)', load_warnings(path))
    assert load_by_file(path)['0_2.png'][1] == [('nut', 20.0, 15.0, 40.0, 30.0, 0)]


def test_labels_without_images_and_images_without_labels(tmp_path, content):
    path = write_yolo(tmp_path, content)
    assert re.search(r'without a label file.*\(1x: 0_4\.png\)', load_warnings(path))
    (tmp_path / 'labels' / 'lost.txt').write_text('')
    assert 'without an image (1x: labels/lost.txt)' in load_errors(path)
    (tmp_path / 'labels' / 'lost.txt').unlink()
    (tmp_path / 'list.txt').write_text('images/0_1.png\nimages/lost.png\n')
    path = write_yolo(tmp_path, content, train='list.txt', val='nowhere')
    assert re.search(r'not found \(1x: .*list\.txt:2 images/lost\.png', load_errors(path))
    assert re.search(r'val: nowhere does not exist.*--val-fraction', load_errors(path))


def test_missing_coco_fields_are_filled_in(tmp_path, content):
    for annotation in content['annotations']:
        del annotation['iscrowd'], annotation['area']
    for image in content['images']:
        del image['width']
    path = write_coco(tmp_path, content)
    before = path.read_bytes()
    data = load_data(path)
    assert not data.findings.errors, str(data.findings)
    count = len(content['annotations'])
    for field in ('area', 'iscrowd'):
        assert re.search(rf"without '{field}'.*\({count}x: id 1, id 2", str(data.findings))
    assert data.train.ann_file is None and path.read_bytes() == before
    assert all(a['area'] == a['bbox'][2] * a['bbox'][3] for a in data.train.content['annotations'])
    assert load_by_file(path)['0_2.png'][0] == [(80, 60)]
    content = make_coco(tmp_path)
    del content['images'][0]['height']
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    data = load_data(write_coco(tmp_path, content), val=val)
    assert (data.train.ann_file, data.val.ann_file) == (None, val)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda c: c['images'][1].update(id=1), r'1 id is shared by several images: 1\b'),
        (
            lambda c: c['images'][1].update(file_name='0_1.png'),
            r'(once|twice|duplicate|repeated).*0_1\.png',
        ),
        (lambda c: c['images'][1].update(width=60, height=80), r'80x60, annotated as 60x80 \(EXIF'),
        (
            lambda c: c['annotations'][0].update(category_id=9),
            r'category_id .*categories.*\bid 1\b',
        ),
        (lambda c: c['annotations'][0].update(bbox=[200, 5, 9, 9]), r'outside.*\bid 1\b'),
        (lambda c: c['annotations'][0].update(bbox=[5, 5, 9]), r'bbox .*four .*\bid 1\b'),
        (lambda c: c['categories'][1].update(name='bolt'), r"duplicate class names \(1x: 'bolt'\)"),
        (
            lambda c: c['categories'][1].update(name='bolt '),
            r"class names .*whitespace.* \(1x: 'bolt' .* and 'bolt ' \(3 objects, first ",
        ),
        (lambda c: c.update(annotations=[]), 'no objects for train'),
    ],
)
def test_coco_errors(tmp_path, content, change, message):
    change(content)
    found = load_errors(write_coco(tmp_path, content))
    assert re.search(message, found), found


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda c: c['categories'][1].update(name='Bolt'), r"case.* \(1x: 'bolt' .* and 'Bolt' "),
        (
            lambda c: c['annotations'].append(dict(c['annotations'][0], id=99)),
            r'duplicate objects .*\(1x: id 99',
        ),
        (lambda c: c['categories'][0].update(keypoints=['nose']), 'keypoints'),
    ],
)
def test_coco_warnings(tmp_path, content, change, message):
    change(content)
    assert re.search(message, load_warnings(write_coco(tmp_path, content)))


def test_boxes_beyond_the_image_are_clipped(tmp_path, content):
    content['annotations'][0].update(bbox=[-4.0, 40, 20, 20], area=400.0)  # of 0_1, 64x48
    content['annotations'][1].update(bbox=[60.0, 2, 20.4, 9], area=9.0)  # of 0_2, 80x60
    path = write_coco(tmp_path, content)
    data = load_data(path)
    assert re.search(r'clipped \(1x: id 1 of 0_1\.png\)', str(data.findings))
    entries = [*data.train.content['annotations'], *data.val.content['annotations']]
    first, second = sorted(entries, key=lambda a: a['id'])[:2]
    assert (first['bbox'], first['area']) == ([0, 40, 16.0, 8.0], 128.0)
    assert second == content['annotations'][1]


# -- images


def test_unusable_images(tmp_path, content):
    images = tmp_path / 'images'
    (images / '0_1.png').unlink()
    (images / '0_2.png').write_bytes(b'no image')
    whole = (images / '0_3.png').read_bytes()
    (images / '0_3.png').write_bytes(whole[: len(whole) // 2])
    found = load_errors(write_coco(tmp_path, content))
    assert re.search(r'not found in .*images \(1x: 0_1\.png\)', found)
    assert re.search(r'unusable images \(2x: 0_2\.png .*decoded.*, 0_3\.png .*decoded', found)
    found = load_errors(write_yolo(tmp_path, content))  # YOLO takes sizes from the images
    assert re.search(r'unusable images \(2x', found) and 'area' not in found


def test_image_sizes_are_read_after_exif_rotation(tmp_path, content):
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    _, jpeg = cv2.imencode('.jpg', picture)
    exif = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    jpeg = jpeg.tobytes()
    (tmp_path / 'images' / '0_1.png').write_bytes(jpeg[:2] + segment + jpeg[2:])
    read = cv2.imread(str(tmp_path / 'images' / '0_1.png'))
    assert read.shape[:2] == (64, 48)  # what MMDetection trains on
    found = load_errors(write_coco(tmp_path, content))
    assert '0_1.png is 48x64, annotated as 64x48 (EXIF rotation?)' in found


def test_images_in_both_splits_are_found_by_content(tmp_path, content):
    other = make_coco(tmp_path, seed=1)
    shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / '1_1.png')
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, other, 'val')
    assert re.search(
        r'in both train and val.*\(1x: 1_1\.png = 0_1\.png\)', load_errors(path, val=val)
    )


def test_one_image_cannot_be_split(tmp_path, content):
    content['images'] = content['images'][:1]
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] == 1]
    found = load_errors(write_coco(tmp_path, content))
    assert re.search('no images for val.* --val', found) and found.count('    - ') == 1
