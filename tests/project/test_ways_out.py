"""Errors say what is broken, once, and name the way out: an option, or what to write."""

import re

import pytest
from format_writers import by_file, write_coco, write_voc, write_yolo
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data


@pytest.mark.parametrize(
    'old, new, problem',
    [
        ('<name>bolt</name>', '<name> </name>', r'without a name.*0_2\.xml:4'),
        ('bndbox>', 'box>', r'without a bndbox; .*0_2\.xml:4 bolt'),
        ('<xmin>', '<xmin>q', r"not four numbers; .*0_2\.xml:4 bolt: xmin is 'q\d+'"),
        ('<ymax>', '<ymax>inf</ymax><ymax>', r"0_2\.xml:4 bolt: ymax is 'inf'"),
        (r'<xmax>\d+', '<xmax>nan', r"0_2\.xml:4 bolt: xmax is 'nan'"),
        (r'<xmax>\d+', '<xmax>', r"0_2\.xml:4 bolt: xmax is ''"),
        (r'<xm.*ymin>', '', r'0_2\.xml:4 bolt: no xmin, no ymin\)'),
    ],
)
def test_broken_objects_of_xml_files_can_be_left_out(tmp_path, content, old, new, problem):
    """Of two objects, the first, in line 4, is broken."""
    write_voc(tmp_path, content)
    file = tmp_path / 'Annotations' / '0_2.xml'
    head, first, rest = re.split('(?=<object>)', file.read_text())
    broken = re.sub(old, new, first.partition('<part>')[0])
    assert broken != first
    file.write_text(f'{head}{broken}</object>\n{rest}')
    assert re.search(rf'{problem}(.|\n)*--skip-missing', load_errors(tmp_path))
    assert re.search(rf'left out: .*{problem}', load_warnings(tmp_path, skip_missing=True))
    expected = by_file(content)['0_2.png'][1]
    assert load_by_file(tmp_path, skip_missing=True)['0_2.png'][1] == expected[1:]


def test_a_missing_image_is_reported_once(tmp_path, content):
    write_voc(tmp_path, content)
    (tmp_path / 'images' / '0_2.png').unlink()
    file = tmp_path / 'Annotations' / '0_2.xml'
    file.write_text(file.read_text().replace('<xmin>', '<xmin>q'))
    found = load_errors(tmp_path)
    assert found.count('not found') == 1
    assert 'not four numbers' in found  # all other problems of the file, too


@pytest.mark.parametrize('line', ['1 .5 .5 .1', '1 .5 .5 .1 x', '1 nan .5 .1 .1', '1'])
def test_broken_lines_can_be_left_out(tmp_path, content, line):
    path = write_yolo(tmp_path, content)
    with (tmp_path / 'labels' / '0_2.txt').open('a') as file:
        file.write(line)
    problem = rf'class x y width height.*label file \(1x: labels/0_2\.txt:3 {line}\)'
    assert re.search(rf'{problem}(.|\n)*--skip-missing', load_errors(path))
    assert re.search(rf'left out: .*{problem}', load_warnings(path, skip_missing=True))
    assert len(load_by_file(path, skip_missing=True)['0_2.png'][1]) == 2


def test_what_all_lines_are_like_is_not_left_out(tmp_path, content):
    path = write_yolo(tmp_path, content)
    (tmp_path / 'labels' / '0_2.txt').write_text('1 40 30 8 9')
    assert 'fractions' in load_errors(path, skip_missing=True)


def test_labels_without_class_names(tmp_path, content):
    write_yolo(tmp_path, content).unlink()
    for options in ({}, dict(format='yolo')):
        with pytest.raises(AnnotationError) as caught:
            load_data(tmp_path, **options)
        assert 'no data.yaml and no classes.txt' in str(caught.value)
        assert '\n  train: images\n  names: [cat, dog]\n' in str(caught.value)
    (tmp_path / 'labels').rename(tmp_path / 'tables')
    for file in (tmp_path / 'tables').iterdir():
        file.write_text('1 20 30 40 50\n')
    with pytest.raises(AnnotationError, match='unknown annotation format'):
        load_data(tmp_path)


@pytest.mark.parametrize('number', [1, 6])
def test_a_file_without_annotations_has_one_error(tmp_path, content, number):
    content.update(images=content['images'][:number], annotations=[])
    found = load_errors(write_coco(tmp_path, content))
    assert 'no objects for train' in found and found.count('    - ') == 1


def test_a_validation_split_without_images_names_the_way_out(tmp_path, content):
    (tmp_path / 'empty').mkdir()
    path = write_yolo(tmp_path, content, val='empty')
    assert re.search('no images for val: --val-fraction', load_errors(path))


def test_a_random_validation_split_names_the_options(tmp_path, content):
    path = write_coco(tmp_path, content)
    assert re.search('20% of the images.*--val-fraction.*--val ', load_data(path).notes[-1])
    assert load_data(path, val_fraction=0.5).notes[-1].endswith('at random')


def test_only_errors_that_can_be_skipped_are_marked(tmp_path, content):
    """A missing image and a box without area can be left out; a wrong size and class cannot."""
    content['images'][1]['width'] += 10
    content['annotations'][3].update(bbox=[5, 5, 0, 3])
    content['annotations'][4].update(bbox=[5, 5, 3])
    content['annotations'][5].update(bbox=[500, 5, 3, 3])
    del content['annotations'][6]['bbox'], content['annotations'][6]['area']
    content['annotations'][7]['category_id'] = 9
    (tmp_path / 'images' / '0_1.png').unlink()
    path = write_coco(tmp_path, content)
    lines = load_errors(path).splitlines()
    marked = [line for line in lines if line.endswith('[can be left out]')]
    problems = 'not found', 'no area', 'four finite', 'outside', "no 'bbox'"
    assert len(marked) == len(problems)
    assert all(any(problem in line for line in marked) for problem in problems)
    others = [line for line in lines if line.startswith('    - ') and line not in marked]
    assert len(others) == 2 and 'annotated as' in others[0] + others[1]
    assert re.search('--skip-missing .*marked.*correct the other', lines[-1])
    # The option removes all of the marked errors and none of the others.
    again = load_errors(path, skip_missing=True).splitlines()
    assert sum(line.startswith('    - ') for line in again) == 2 and '--skip' not in str(again)


def test_errors_that_can_all_be_skipped_are_not_marked(tmp_path, content):
    content['annotations'][3].update(bbox=[5, 5, 0, 3])
    (tmp_path / 'images' / '0_1.png').unlink()
    path = write_coco(tmp_path, content)
    found = load_errors(path)
    assert 'use --skip-missing' in found and 'can be left out' not in found
    assert not load_data(path, skip_missing=True).findings.errors
