"""Pascal VOC as tools write it: flags, lists of splits, images of the same name, other XML."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_writers import by_file, make_coco, write_voc
from load_helpers import load_by_file, load_errors, load_warnings

from alrp.text import parse_flag
from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.formats import detect_format


def stems(split) -> set[str]:
    return {Path(image['file_name']).stem for image in split.content['images']}


def edit(folder: Path, name: str, pattern: str, new: str) -> None:
    file = folder / 'Annotations' / name
    text, count = re.subn(pattern, new, file.read_text())
    assert count
    file.write_text(text)


# -- flags


@pytest.mark.parametrize(
    'word, crowds, warned',
    [
        ('Unspecified', 0, True),  # makesense.ai
        ('False', 0, False),
        ('no', 0, False),
        ('0.0', 0, False),
        ('', 0, False),
        ('nein', 0, True),
        ('2', 0, True),
        ('True', 2, False),
        (' YES ', 2, False),
        ('1.0', 2, False),
    ],
)
def test_difficult_as_a_word(tmp_path, content, word, crowds, warned):
    content['annotations'] = [a for a in content['annotations'] if not a['iscrowd']]
    write_voc(tmp_path, content)
    edit(tmp_path, '0_3.xml', '(?<=<difficult>)0', word)
    data = load_data(tmp_path)
    annotations = data.train.content['annotations'] + data.val.content['annotations']
    assert sum(a['iscrowd'] for a in annotations) == crowds
    found = str(data.findings)
    assert ('difficult' in found) == warned, found
    if warned:
        assert re.search(rf'\(2x: {word!r} 0_3\.xml:4', found)


def test_flags():
    assert parse_flag(True) is parse_flag(1) is parse_flag('t') is True
    assert parse_flag(False) is parse_flag(0) is parse_flag(None) is parse_flag('OFF') is False
    assert parse_flag('oui') is parse_flag(-1) is parse_flag('是') is None


# -- splits


@pytest.mark.parametrize('folder', ['ImageSets/Main', 'ImageSets', '.'])
@pytest.mark.parametrize('lists', [('train.txt', 'val.txt'), ('Train.txt', 'Validation.txt')])
def test_lists_in_any_capitalisation(tmp_path, content, folder, lists):
    write_voc(tmp_path, content)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / lists[0]).write_text('0_1\n0_2\n0_3\n')
    (tmp_path / folder / lists[1]).write_text('0_5\n')
    (tmp_path / folder / 'bolt_train.txt').write_text('0_6 1\n')  # of one class
    data = load_data(tmp_path)
    assert (stems(data.train), stems(data.val)) == ({'0_1', '0_2', '0_3'}, {'0_5'})
    assert re.search(r'no split: not used \(2x: 0_4\.xml, 0_6\.xml\)', str(data.findings))


def test_trainval_is_for_training_without_val(tmp_path, content):
    write_voc(tmp_path, content)
    (tmp_path / 'ImageSets' / 'Main').mkdir(parents=True)
    (tmp_path / 'ImageSets' / 'Main' / 'trainval.txt').write_text('0_1\n0_2\n0_3\n0_5\n')
    (tmp_path / 'ImageSets' / 'Main' / 'val.txt').write_text('0_5\n')
    data = load_data(tmp_path)
    assert (stems(data.train), stems(data.val)) == ({'0_1', '0_2', '0_3'}, {'0_5'})


@pytest.mark.parametrize('train, val', [('train', 'valid'), ('Train', 'Validation')])
@pytest.mark.parametrize('mixed', [True, False])
def test_folders_named_like_splits(tmp_path, content, mixed, train, val):
    write_voc(tmp_path, content)
    kinds = dict(Annotations='.' if mixed else 'Annotations', images='.' if mixed else 'images')
    for kind, new in kinds.items():
        for path in list((tmp_path / kind).glob('*.*')):
            split = val if path.stem in ('0_3', '0_6') else train
            folder = tmp_path / split if mixed else tmp_path / new / split
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name)
    assert detect_format(tmp_path) == 'voc'
    data = load_data(tmp_path)
    assert not data.findings.errors, str(data.findings)
    assert stems(data.val) == {'0_3', '0_6'} and len(stems(data.train)) == 4


@pytest.mark.parametrize(
    'new, line',
    [
        ('img (1)', 'img (1)'),
        ('img (1)', 'img (1) -1'),
        ('a b 1', 'a b 1'),
        ('one', 'one.png'),
        ('frame.001', 'frame.001'),
        ('one', 'JPEGImages/one.png'),
        ('one', 'C:\\data\\JPEGImages\\one.PNG'),
        ('one', './images/one.png ./Annotations/one.xml'),  # PaddleDetection
    ],
)
def test_names_in_image_sets(tmp_path, content, new, line):
    content['images'][0]['file_name'] = f'{new}.png'
    (tmp_path / 'images' / '0_1.png').rename(tmp_path / 'images' / f'{new}.png')
    write_voc(tmp_path, content)
    (tmp_path / 'ImageSets' / 'Main').mkdir(parents=True)
    (tmp_path / 'ImageSets' / 'Main' / 'train.txt').write_text(f'{line}\n0_2\n')
    (tmp_path / 'ImageSets' / 'Main' / 'val.txt').write_text('0_3\n')
    data = load_data(tmp_path)
    assert not data.findings.errors, str(data.findings)
    assert stems(data.train) == {new, '0_2'}


# -- images of the same name


def test_masks_are_never_taken_for_the_image(tmp_path, content):
    """Image 0_2 is a JPEG in imgs; a PNG of the same name is its mask."""
    write_voc(tmp_path, content)
    (tmp_path / 'images').rename(tmp_path / 'imgs')
    picture = cv2.imread(str(tmp_path / 'imgs' / '0_2.png'))
    (tmp_path / 'imgs' / '0_2.png').unlink()
    cv2.imwrite(str(tmp_path / 'imgs' / '0_2.jpg'), picture)
    edit(tmp_path, '0_2.xml', '0_2.png', '0_2.jpg')
    for name in ('SegmentationClass', 'SegmentationObject', 'gt'):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / '0_2.png'), np.zeros_like(picture))
    data = load_data(tmp_path)
    assert not data.findings.errors, str(data.findings)
    used = [s.image_path(i) for s in (data.train, data.val) for i in s.content['images']]
    assert tmp_path / 'imgs' / '0_2.jpg' in used and len(used) == 6
    assert 'several' not in str(data.findings)


@pytest.mark.parametrize('evidence', ['own folder', 'folder tag', 'images', 'mask name', None])
def test_two_images_of_the_same_name(tmp_path, content, evidence):
    write_voc(tmp_path, content)
    names = dict(images=('images', 'previews')).get(evidence, ('one', 'two'))
    if evidence == 'mask name':
        names = 'zoo', 'my_masks'
    if evidence == 'own folder':
        names = 'Annotations', 'images'
    right, wrong = (tmp_path / name for name in names)
    (tmp_path / 'images').rename(tmp_path / 'all')
    for folder in (right, wrong):
        folder.mkdir(exist_ok=True)
    for path in (tmp_path / 'all').iterdir():
        path.rename(right / path.name)
    (tmp_path / 'all').rmdir()
    cv2.imwrite(str(wrong / '0_2.png'), np.zeros((60, 80, 3), np.uint8))
    if evidence == 'folder tag':
        edit(tmp_path, '0_2.xml', '<annotation>', '<annotation><folder>one</folder>')
    data = load_data(tmp_path)
    found = str(data.findings)
    if evidence is None:
        assert re.search(r'--images .*one/0_2\.png and .*two/0_2\.png of 0_2\.xml', found)
        assert data.findings.errors
        assert by_file(content) == load_by_file(tmp_path, images=right)
        return
    assert not data.findings.errors, found
    used = [s.image_path(i) for s in (data.train, data.val) for i in s.content['images']]
    assert right / '0_2.png' in used and wrong / '0_2.png' not in used
    assert ('0_2.png and' in found) == (evidence in ('images', 'mask name'))


# -- other files


def test_leftovers_are_skipped(tmp_path, content):
    write_voc(tmp_path, content)
    for name in ('._0_1.xml', 'Thumbs.db', '.ipynb_checkpoints/0_1-checkpoint.xml'):
        (tmp_path / 'Annotations' / name).parent.mkdir(exist_ok=True)
        (tmp_path / 'Annotations' / name).write_bytes(b'\0\5\x16\7')
    (tmp_path / 'images' / '._0_1.png').write_bytes(b'\0\5\x16\7')
    (tmp_path / '__MACOSX' / 'images').mkdir(parents=True)
    (tmp_path / '__MACOSX' / 'images' / '0_1.png').write_bytes(b'')
    (tmp_path / 'Annotations' / 'project.xml').write_text('<project><name>x</name></project>')
    assert load_by_file(tmp_path) == by_file(content)
    assert 'project.xml <project>' in load_warnings(tmp_path)


def test_xml_of_cvat_says_what_to_export(tmp_path, content):
    path = tmp_path / 'annotations.xml'
    path.write_text('<?xml version="1.0"?>\n<annotations><version>1.1</version></annotations>')
    for source in (path, tmp_path):
        with pytest.raises(AnnotationError, match=r'annotations\.xml is CVAT.* COCO 1\.0'):
            load_data(source)
    write_voc(tmp_path, content)
    with pytest.raises(AnnotationError, match=r'0_1\.xml.*the folder .*Annotations'):
        load_data(tmp_path / 'Annotations' / '0_1.xml')


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-8-sig', 'latin-1', 'gbk'])
def test_xml_in_other_encodings(tmp_path, encoding):
    content = make_coco(tmp_path)
    content['categories'][0]['name'] = 'écrou' if encoding == 'latin-1' else '螺栓'
    write_voc(tmp_path, content)
    for path in (tmp_path / 'Annotations').iterdir():
        declaration = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>\n'
        path.write_bytes((declaration + path.read_text()).encode(encoding))
    assert load_by_file(tmp_path) == by_file(content)
    if encoding == 'gbk':  # without the declaration, it cannot be known
        file = tmp_path / 'Annotations' / '0_2.xml'
        file.write_bytes(file.read_bytes().partition(b'\n')[2])
        assert re.search(r'0_2\.xml is not UTF-8 .*line 4', load_errors(tmp_path))


# -- corners, tags and lists as tools write them


def swap(folder, name, first='xmin', second='xmax'):
    edit(folder, name, f'{first}>(\\d+)<(.*?){second}>(\\d+)<', rf'{first}>\3<\2{second}>\1<')


def test_corners_in_the_wrong_order(tmp_path, content):
    write_voc(tmp_path, content)
    expected = load_by_file(tmp_path)
    swap(tmp_path, '0_3.xml')
    swap(tmp_path, '0_5.xml', 'ymin', 'ymax')
    assert load_by_file(tmp_path) == expected
    assert re.search(r'xmin > xmax.*\(4x: 0_3\.xml:4, 0_3\.xml:5, ', load_warnings(tmp_path))
    for name in ('0_1.xml', '0_2.xml'):
        swap(tmp_path, name)
    assert re.search(r'xmin > xmax.*width.*\(7x: 0_1\.xml:4', load_errors(tmp_path))


def test_tags_in_capital_letters(tmp_path, content):
    write_voc(tmp_path, content)
    expected = load_by_file(tmp_path)
    for name in ('0_1.xml', '0_2.xml'):
        file = tmp_path / 'Annotations' / name
        file.write_text(re.sub(r'</?\w+', lambda match: match[0].upper(), file.read_text()))
    assert load_by_file(tmp_path) == expected


def test_sizes_written_as_floats_are_compared(tmp_path, content):
    write_voc(tmp_path, content)
    edit(tmp_path, '0_2.xml', '<width>80', '<width>640.0')
    assert re.search(r'0_2\.png is 80x60, .*640x60', load_errors(tmp_path))


def test_lists_by_class(tmp_path, content):
    write_voc(tmp_path, content)
    main = tmp_path / 'ImageSets' / 'Main'
    main.mkdir(parents=True)
    for name in ('bolt', 'nut'):
        (main / f'{name}_train.txt').write_text('0_1  1\n0_2 -1\n0_4  0\n')
        (main / f'{name}_val.txt').write_text('0_3 -1\n0_5  1\n0_6  1\n')
    data = load_data(tmp_path)
    names = [[i['file_name'] for i in s.content['images']] for s in (data.train, data.val)]
    assert names == [['0_1.png', '0_2.png', '0_4.png'], ['0_3.png', '0_5.png', '0_6.png']]


def test_a_file_that_names_another_image(tmp_path, content):
    write_voc(tmp_path, content)
    expected = load_by_file(tmp_path)
    edit(tmp_path, '0_1.xml', '0_1.png', '0_6.png')
    assert load_by_file(tmp_path) == expected
    assert '1x: 0_6.png in 0_1.xml' in load_warnings(tmp_path)


# -- images without annotations


@pytest.mark.parametrize('place', ['images', 'Annotations', 'JPEGImages'])
@pytest.mark.parametrize('lists', [False, True])
def test_images_without_an_xml_file(tmp_path, content, place, lists):
    write_voc(tmp_path, content)
    if place == 'JPEGImages':
        (tmp_path / 'images').rename(tmp_path / place)
    elif place == 'Annotations':
        for image in content['images']:
            (tmp_path / 'images' / image['file_name']).rename(tmp_path / place / image['file_name'])
    if lists:
        (tmp_path / 'train.txt').write_text('0_2\n0_3\n0_1\n')
        (tmp_path / 'val.txt').write_text('0_5\n0_6\n')
    assert 'without an .xml' not in load_warnings(tmp_path)
    for name in ('a', 'b'):
        cv2.imwrite(str(tmp_path / place / f'{name}.jpg'), np.zeros((40, 40, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'cover.jpg'), np.zeros((40, 40, 3), np.uint8))
    text = load_warnings(tmp_path)
    assert re.search(r'images without an \.xml file: not used \(2x: a\.jpg, b\.jpg\)', text)


# -- sizes


@pytest.mark.parametrize(
    'new, detail',
    [
        ('<width>0</width><height>0</height>', r'0_2\.xml \(0x0\)'),
        ('<width>80</width><height></height>', r'0_2\.xml \(80x\)'),
        ('', r'0_2\.xml'),
    ],
)
def test_a_size_read_from_the_image_is_a_warning(tmp_path, content, new, detail):
    write_voc(tmp_path, content)
    assert 'size' not in load_warnings(tmp_path)
    edit(tmp_path, '0_2.xml', '<width>.*</height>', new)
    text = load_warnings(tmp_path)
    assert re.search(rf'without a size: read from the image \(1x: {detail}\)', text)
    assert load_by_file(tmp_path)['0_2.png'] == by_file(content)['0_2.png']
