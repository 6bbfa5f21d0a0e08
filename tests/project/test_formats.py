"""Annotations of three formats: what is read, and what is said of those that cannot be."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_writers import by_file, make_coco, write_coco, write_voc, write_yolo

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.formats import detect_format

BCCD = Path(__file__).parents[2].parent / 'shared' / 'data' / 'bccd'


@pytest.fixture
def content(tmp_path):
    return make_coco(tmp_path)


def loaded(source: Path, **options):
    """Train and val together, as what ``by_file`` gives; fails on errors."""
    data = load_data(source, **options)
    assert not data.findings.errors, str(data.findings)
    found = {}
    for split in (data.train, data.val):
        found |= by_file(json.loads(split.to_json()))
    return found


def errors(source: Path, **options) -> str:
    data = load_data(source, **options)
    assert data.findings.errors
    return str(data.findings).split('warnings:')[0]


def warnings_of(source: Path, **options) -> str:
    data = load_data(source, **options)
    assert not data.findings.errors, str(data.findings)
    return str(data.findings)


def assert_close(found: dict, expected: dict, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, (size, objects) in expected.items():
        assert found[name][0] == size
        assert [o[0] for o in found[name][1]] == [o[0] for o in objects]
        assert [o[5] for o in found[name][1]] == [o[5] for o in objects]
        boxes = np.array([o[1:5] for o in found[name][1]]).reshape(-1, 4)
        wanted = np.array([o[1:5] for o in objects]).reshape(-1, 4)
        assert np.abs(boxes - wanted).max(initial=0) <= tolerance


# -- what is written is read back


def test_voc_of_whole_pixels_is_read_exactly(tmp_path, content):
    write_voc(tmp_path, content)
    assert detect_format(tmp_path) == detect_format(tmp_path / 'Annotations') == 'voc'
    for source in (tmp_path, tmp_path / 'Annotations'):
        assert_close(loaded(source), by_file(content), 0)


def test_voc_that_counts_from_zero_is_recognised(tmp_path, content):
    content['annotations'][0]['bbox'][0] = 0.0
    write_voc(tmp_path, content, base=0)
    assert_close(loaded(tmp_path), by_file(content), 1e-9)
    assert 'count from 0' in warnings_of(tmp_path)


def test_yolo_is_read_to_a_millionth_of_a_pixel(tmp_path):
    content = make_coco(tmp_path, integer=False)
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    path = write_yolo(tmp_path, content)
    assert detect_format(path) == detect_format(tmp_path) == 'yolo'
    for source in (path, tmp_path):
        assert_close(loaded(source), by_file(content), 1e-6)


def test_yolo_with_a_file_of_classes(tmp_path, content):
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    write_yolo(tmp_path, content).unlink()
    (tmp_path / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    assert_close(loaded(tmp_path), by_file(content), 1e-6)
    # Labels beside the images, as labelImg writes them; and images elsewhere.
    shutil.copytree(tmp_path / 'images', tmp_path / 'mixed')
    for file in (tmp_path / 'labels').iterdir():
        shutil.copy(file, tmp_path / 'mixed')
    shutil.copy(tmp_path / 'classes.txt', tmp_path / 'mixed')
    assert_close(loaded(tmp_path / 'mixed'), by_file(content), 1e-6)
    (tmp_path / 'images').rename(tmp_path / 'photos')
    assert_close(loaded(tmp_path, images=tmp_path / 'photos'), by_file(content), 1e-6)


def test_coco_is_referred_to_where_it_is(tmp_path, content):
    path = write_coco(tmp_path, content)
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    data = load_data(path, val=val)
    assert not data.findings.errors
    assert (data.train.file, data.val.file) == (path, val)
    assert data.train.images == data.val.images == tmp_path / 'images'


@pytest.mark.skipif(not BCCD.is_dir(), reason='needs the BCCD data beside the checkout')
@pytest.mark.parametrize('write', [write_voc, write_yolo])
def test_bccd_survives_conversion(tmp_path, write):
    content = json.loads((BCCD / 'annotations' / 'instances_val.json').read_text())
    (tmp_path / 'images').mkdir()
    for image in content['images']:
        (tmp_path / 'images' / image['file_name']).symlink_to(BCCD / 'images' / image['file_name'])
    write(tmp_path, content)
    assert_close(loaded(tmp_path), by_file(content), 0 if write is write_voc else 1e-6)


# -- splits


def test_image_sets_of_voc(tmp_path, content):
    write_voc(tmp_path, content)
    sets = tmp_path / 'ImageSets' / 'Main'
    sets.mkdir(parents=True)
    (sets / 'train.txt').write_text('0_1\n0_2  1\n0_3 -1\n\n')
    (sets / 'val.txt').write_text('0_6\n')
    (sets / 'test.txt').write_text('0_4\n0_5\n')
    data = load_data(tmp_path)
    assert not data.findings.errors, str(data.findings)
    assert [len(s.content['images']) for s in (data.train, data.val)] == [3, 1]
    assert '2 images of its test split are not used' in ' '.join(data.notes)
    (sets / 'val.txt').write_text('0_6\nlost\n')
    assert re.search(r'no such file in .*val\.txt:2 lost\.xml', errors(tmp_path))


def test_splits_of_a_data_yaml(tmp_path, content):
    (tmp_path / 'list.txt').write_text('./images/0_1.png\nimages/0_2.png\n\nimages/0_3.png\n')
    path = write_yolo(tmp_path, content, train='list.txt', val=['../images'], nc=3)
    assert 'trained on as well' in errors(path)  # val is found, by Roboflow's kind of path
    (tmp_path / 'rest.txt').write_text('images/0_5.png\nimages/0_6.png\n')
    path = write_yolo(tmp_path, content, train='list.txt', valid='rest.txt', path='..')
    data = load_data(path)
    assert not data.findings.errors, str(data.findings)
    assert [len(s.content['images']) for s in (data.train, data.val)] == [3, 2]
    with pytest.raises(AnnotationError, match='validation of its own'):
        load_data(path, val_fraction=0.5)


def test_a_fraction_is_taken_alike_each_time(tmp_path, content):
    path = write_coco(tmp_path, content)
    # A copy of an image stays with it, or it would be both trained and validated on.
    for image in content['images'][1:3]:
        shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / image['file_name'])
        image.update(width=64, height=48)
    path = write_coco(tmp_path, content)
    runs = [load_data(path, val_fraction=0.5) for _ in range(2)]
    names = [[i['file_name'] for i in data.val.content['images']] for data in runs]
    assert names[0] == names[1]
    copies = {f'0_{i}.png' for i in (1, 2, 3)}
    assert len(copies & set(names[0])) in (0, 3)
    assert len(names[0]) >= 3
    assert 'images that are there twice' in str(runs[0].findings)


def test_categories_of_validation_are_put_in_the_order_of_training(tmp_path, content):
    path = write_coco(tmp_path, content)
    other = make_coco(tmp_path, seed=1)
    other['categories'] = other['categories'][::-1]
    val = write_coco(tmp_path, other, 'val')
    data = load_data(path, val=val)
    assert not data.findings.errors, str(data.findings)
    assert data.val.file is None and data.val.classes == ('bolt', 'nut', 'washer')
    assert by_file(data.val.content) == by_file(other)
    other['annotations'] = [a for a in other['annotations'] if a['category_id'] != 2]
    other['categories'] = [c for c in other['categories'] if c['name'] != 'nut']
    data = load_data(path, val=write_coco(tmp_path, other, 'val'))
    assert not data.findings.errors, str(data.findings)
    assert data.val.classes == ('bolt', 'nut', 'washer')
    assert by_file(data.val.content) == by_file(other)
    other['categories'][0]['name'] = 'screw'
    assert "class 'screw', which the training data do not have" in errors(
        path, val=write_coco(tmp_path, other, 'val')
    )


# -- what cannot be read


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('a.json', '{"images": [', 'not JSON'),
        ('a.json', '[{"image_id": 1, "bbox": [], "score": 0.5}]', 'results of a detector'),
        (
            'a.json',
            '{"images": [], "annotations": [{"keypoints": []}]}',
            'keypoints: no annotation',
        ),
        ('a.json', '{"images": [], "annotations": [{"segmentation": []}]}', 'these are masks'),
        ('a.json', '{"images": [], "annotations": [{"caption": ""}]}', 'these are captions'),
        ('a.json', '{"images": [], "annotations": [{"segments_info": []}]}', 'panoptic'),
        ('a.json', '{"images": [{"id": 1}], "categories": [], "annotations": []}', 'file_name'),
        ('a.yaml', 'names: [a\ntrain: x', r'not YAML: .*line 2'),
        ('a.yaml', 'train: images', "no 'names'"),
        ('a.yaml', 'names: [a]\nnc: 2\ntrain: images', 'nc is 2'),
        ('a.yaml', 'names: {1: a}\ntrain: images', r'numbered 0, 1'),
        ('a.yaml', 'names: [a]\nkpt_shape: [17, 3]', 'keypoints'),
        ('a.yaml', 'names: [a]', 'no images of train'),
        ('a.txt', '', 'no annotations of a format that is known'),
    ],
)
def test_files_of_another_kind(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationError, match=message):
        load_data(tmp_path / name)


def test_what_is_not_there(tmp_path, content):
    with pytest.raises(AnnotationError, match=r'there is no .*nowhere'):
        load_data(tmp_path / 'nowhere')
    with pytest.raises(AnnotationError, match='no annotations of a format'):
        load_data(tmp_path)
    with pytest.raises(AnnotationError, match='no XML files'):
        load_data(tmp_path, format='voc')
    path = write_coco(tmp_path, content)
    (tmp_path / 'empty').mkdir()
    for options in (dict(images=tmp_path / 'lost'), dict(val=tmp_path / 'lost')):
        with pytest.raises(AnnotationError, match=r'there is no .*lost'):
            load_data(path, **options)
    with pytest.raises(AnnotationError, match=r'such as 0_1\.png, are not in .*empty.*--images'):
        load_data(path, images=tmp_path / 'empty')
    with pytest.raises(AnnotationError, match='says where its images are: leave out --images'):
        load_data(write_yolo(tmp_path, content), images=tmp_path / 'empty')
    with pytest.raises(AnnotationError, match='voc annotations are read from a folder'):
        load_data(path, format='voc')


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('<name>nut</name>', '<name> </name>', r'without a name \(1x: 0_2\.xml:5\)'),
        ('<bndbox>', '<polygon>', r'files that are not XML \(1x: 0_2\.xml: mismatched tag: line 4'),
        ('<xmin>', '<xmin>q', r'without four numbers .*\(2x: 0_2\.xml:4, 0_2\.xml:5\)'),
        ('<xmin>', '<xmin>nan', 'without four numbers'),
        ('bndbox', 'box', r'objects without a bndbox \(2x: 0_2\.xml:4'),
        ('<xmax>', '<xmax>-', r'boxes have no area: 0_2\.xml:4'),
        ('<width>', '<width>9', r'another size .*0_2\.png is 80x60, not 980x60'),
    ],
)
def test_errors_in_xml_name_file_and_line(tmp_path, content, old, new, message):
    write_voc(tmp_path, content)
    file = tmp_path / 'Annotations' / '0_2.xml'
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert re.search(message, errors(tmp_path))


def test_xml_without_its_image_or_size(tmp_path, content):
    write_voc(tmp_path, content)
    (tmp_path / 'images' / '0_2.png').rename(tmp_path / 'images' / 'renamed.png')
    assert re.search(r'images that are missing.*0_2\.png of 0_2\.xml', errors(tmp_path))
    file = tmp_path / 'Annotations' / '0_2.xml'
    text = file.read_text()
    file.write_text(text.replace('0_2.png', 'renamed.png').replace('<width>80', '<width>0'))
    assert loaded(tmp_path)['renamed.png'] == by_file(content)['0_2.png']


@pytest.mark.parametrize(
    'line, message',
    [
        ('3 .5 .5 .1 .1', r'class is none of 0 to 2 \(1x: labels/0_2\.txt:3 3 \.5'),
        ('-1 .5 .5 .1 .1', 'class is none of 0 to 2'),
        ('nut .5 .5 .1 .1', 'class is none of 0 to 2'),
        ('1 .5 .5 .1', r'lines that are not: class x y width height \(1x: labels/0_2\.txt:3'),
        ('1 .5 .5 .1 x', 'something else than numbers'),
        ('1 .5 .5 .1 nan', 'no fractions of the image'),
        ('1 40 30 8 9', 'no fractions of the image'),
        ('1 .5 .5 .1 .1 .9', 'as detections with a score'),
        ('1 .5 .5 0 .1', r'boxes have no area: labels/0_2\.txt:3'),
        ('1 1.5 .5 .1 .1', r'outside of their image: labels/0_2\.txt:3'),
    ],
)
def test_errors_in_labels_name_file_and_line(tmp_path, content, line, message):
    path = write_yolo(tmp_path, content)
    with (tmp_path / 'labels' / '0_2.txt').open('a') as file:
        file.write(line)
    assert re.search(message, errors(path))


def test_polygons_become_boxes(tmp_path, content):
    path = write_yolo(tmp_path, content)
    (tmp_path / 'labels' / '0_2.txt').write_text('1 .25 .5 .5 .25 .75 .5 .5 .75')
    assert 'polygons' in warnings_of(path)
    assert loaded(path)['0_2.png'][1] == [('nut', 20.0, 15.0, 40.0, 30.0, 0)]


def test_labels_without_image_and_images_without_labels(tmp_path, content):
    path = write_yolo(tmp_path, content)
    assert re.search(r'taken to have no objects \(1x: 0_4\.png\)', warnings_of(path))
    (tmp_path / 'labels' / 'lost.txt').write_text('')
    assert 'labels without an image (1x: labels/lost.txt)' in errors(path)
    (tmp_path / 'labels' / 'lost.txt').unlink()
    (tmp_path / 'list.txt').write_text('images/0_1.png\nimages/lost.png\n')
    path = write_yolo(tmp_path, content, train='list.txt', val='nowhere')
    assert re.search(r'missing \(1x: .*list\.txt:2 images/lost\.png', errors(path))
    assert 'there is no nowhere' in errors(path)


def test_coco_is_completed_where_nothing_is_guessed(tmp_path, content):
    for annotation in content['annotations']:
        del annotation['iscrowd'], annotation['area']
    for image in content['images']:
        del image['width']
    path = write_coco(tmp_path, content)
    before = path.read_bytes()
    data = load_data(path)
    assert not data.findings.errors, str(data.findings)
    for text in ('of the box is taken', '0 is taken'):
        assert text in str(data.findings)
    assert data.train.file is None and path.read_bytes() == before
    assert all(a['area'] == a['bbox'][2] * a['bbox'][3] for a in data.train.content['annotations'])
    assert loaded(path)['0_2.png'][0] == [(80, 60)]
    content = make_coco(tmp_path)
    del content['images'][0]['height']
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    data = load_data(write_coco(tmp_path, content), val=val)
    assert (data.train.file, data.val.file) == (None, val)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda c: c['images'][1].update(id=1), 'images share their id with others: 1'),
        (lambda c: c['images'][1].update(file_name='0_1.png'), r'listed more than once.*0_1\.png'),
        (lambda c: c['images'][1].update(width=60, height=80), r'80x60, not 60x80 \(by its EXIF'),
        (lambda c: c['annotations'][0].update(category_id=9), 'category_id that is not in categ'),
        (lambda c: c['annotations'][0].update(bbox=[200, 5, 9, 9]), 'outside of their image: id 1'),
        (lambda c: c['annotations'][0].update(bbox=[5, 5, 9]), 'other than four finite numbers'),
        (lambda c: c['categories'][1].update(name='bolt'), r"share their name \(1x: 'bolt'\)"),
        (lambda c: c['categories'][1].update(name='bolt '), r"by blanks only \(1x: 'bolt' and"),
        (lambda c: c.update(annotations=[]), 'there are no objects for train'),
    ],
)
def test_errors_of_coco(tmp_path, content, change, message):
    change(content)
    found = errors(write_coco(tmp_path, content))
    assert re.search(message, found), found


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda c: c['categories'][1].update(name='Bolt'), "case only (1x: 'bolt' and 'Bolt')"),
        (lambda c: c['annotations'].append(dict(c['annotations'][0], id=99)), 'there twice, box'),
        (lambda c: c['categories'][0].update(keypoints=['nose']), 'keypoints are left out'),
    ],
)
def test_warnings_of_coco(tmp_path, content, change, message):
    change(content)
    assert message in warnings_of(write_coco(tmp_path, content))


def test_boxes_that_stick_out_are_clipped(tmp_path, content):
    content['annotations'][0].update(bbox=[-4.0, 40, 20, 20], area=400.0)  # of 0_1, 64x48
    content['annotations'][1].update(bbox=[60.0, 2, 20.4, 9], area=9.0)  # of 0_2, 80x60: rounding
    path = write_coco(tmp_path, content)
    data = load_data(path)
    assert re.search(r'clipped to it \(1x: id 1 of 0_1\.png\)', str(data.findings))
    entries = [*data.train.content['annotations'], *data.val.content['annotations']]
    first, second = sorted(entries, key=lambda a: a['id'])[:2]
    assert (first['bbox'], first['area']) == ([0, 40, 16.0, 8.0], 128.0)
    assert second == content['annotations'][1]


# -- images


def test_images_that_cannot_be_trained_on(tmp_path, content):
    images = tmp_path / 'images'
    (images / '0_1.png').unlink()
    (images / '0_2.png').write_bytes(b'no image')
    whole = (images / '0_3.png').read_bytes()
    (images / '0_3.png').write_bytes(whole[: len(whole) // 2])
    found = errors(write_coco(tmp_path, content))
    assert re.search(r'not in .*images \(1x: 0_1\.png\)', found)
    assert re.search(r'do not open \(2x: 0_2\.png does not open: .*0_3\.png does not open', found)
    found = errors(write_yolo(tmp_path, content))  # which takes sizes from the images
    assert re.search(r'do not open \(2x', found) and 'area' not in found


def test_sizes_are_those_after_rotation(tmp_path, content):
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    _, jpeg = cv2.imencode('.jpg', picture)
    exif = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    jpeg = jpeg.tobytes()
    (tmp_path / 'images' / '0_1.png').write_bytes(jpeg[:2] + segment + jpeg[2:])
    read = cv2.imread(str(tmp_path / 'images' / '0_1.png'))
    assert read.shape[:2] == (64, 48)  # what MMDetection trains on
    assert '0_1.png is 48x64, not 64x48 (by its EXIF rotation?)' in errors(
        write_coco(tmp_path, content)
    )


def test_images_of_both_splits_are_found_by_their_content(tmp_path, content):
    other = make_coco(tmp_path, seed=1)
    shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / '1_1.png')
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, other, 'val')
    assert re.search(r'trained on as well.*\(1x: 1_1\.png = 0_1\.png\)', errors(path, val=val))


def test_one_image_cannot_be_split(tmp_path, content):
    content['images'] = content['images'][:1]
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] == 1]
    assert 'there are no images for val' in errors(write_coco(tmp_path, content))
