"""Categories of COCO files: names, and roots that are no classes."""

import re

import pytest
from format_writers import by_file, make_coco, write_coco
from load_helpers import as_written, load_by_file, load_errors, load_warnings

from alrp_mmdet.project.data import load_data


@pytest.mark.parametrize('name', ['parts', 'bolt'])
@pytest.mark.parametrize('position', [0, 3])
def test_root_category_is_removed(tmp_path, content, name, position):
    expected = by_file(content)
    paths = []
    for part, split in ((content, 'train'), (make_coco(tmp_path, seed=1), 'val')):
        for category in part['categories']:
            category['supercategory'] = name
        root = dict(id=0, name=name, supercategory='none')
        part['categories'].insert(position, root)
        paths.append(write_coco(tmp_path, part, split))
    data = load_data(paths[0], val=paths[1])
    assert not data.findings.errors, str(data.findings)
    assert data.train.classes == data.val.classes == ('bolt', 'nut', 'washer')
    assert re.search(rf"supercategory.*removed \(1x: '{name}'\)", str(data.findings))
    assert load_by_file(paths[0]) == expected


def test_categories_that_are_no_roots(tmp_path, content):
    for category in content['categories']:
        category['supercategory'] = 'bolt'
    path = write_coco(tmp_path, content)
    assert load_data(path).train.classes == ('bolt', 'nut', 'washer')  # it has objects
    content['categories'].append(dict(id=9, name='part', supercategory=None))
    for category in content['categories'][1:3]:
        category['supercategory'] = 'part'
    path = write_coco(tmp_path, content)
    assert load_data(path).train.classes[-1] == 'part'  # 'bolt' is no part
    content['categories'][0]['supercategory'] = 'part'
    val = make_coco(tmp_path, seed=1)
    val['categories'].append(dict(id=9, name='part'))
    val['annotations'][0]['category_id'] = 9
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, val, 'val')
    assert load_data(path, val=val).train.classes[-1] == 'part'  # it has an object in val


def test_root_category_with_the_id_of_a_class_of_the_other_split(tmp_path, content):
    for category in content['categories']:
        category['supercategory'] = 'parts'
    content['categories'].insert(0, dict(id=0, name='parts', supercategory='none'))
    val = make_coco(tmp_path, seed=1)
    for entry, key in [(c, 'id') for c in val['categories']] + [
        (a, 'category_id') for a in val['annotations']
    ]:
        entry[key] -= 1
    paths = write_coco(tmp_path, content), write_coco(tmp_path, val, 'val')
    data = load_data(paths[0], val=paths[1])
    assert data.train.classes == data.val.classes == ('bolt', 'nut', 'washer')


def test_root_category_in_one_split_named_like_a_class(tmp_path, content):
    for category in content['categories']:
        category['supercategory'] = 'bolt'
    content['categories'].insert(0, dict(id=0, name='bolt', supercategory='none'))
    val = make_coco(tmp_path, seed=1)
    for paths in ((content, val), (val, content)):
        train, val = (write_coco(tmp_path, x, y) for x, y in zip(paths, ('train', 'val')))
        data = load_data(train, val=val)
        assert not data.findings.errors, str(data.findings)
        assert data.train.classes == data.val.classes == ('bolt', 'nut', 'washer')


@pytest.mark.parametrize('value', [['parts'], {}, 5])
def test_supercategories_of_any_type(tmp_path, content, value):
    for category in content['categories']:
        category['supercategory'] = value
    assert load_data(write_coco(tmp_path, content)).train.classes == ('bolt', 'nut', 'washer')


def test_names_of_classes(tmp_path, content):
    content['categories'][1]['name'] = 7
    path = write_coco(tmp_path, content)
    assert re.search(r"'name' written as a number.*\(1x: id 2\)", load_warnings(path))
    assert [c['name'] for c in as_written(path)[0][0]['categories']] == ['bolt', '7', 'washer']
    content['categories'][1]['name'] = ' '
    assert 'without a name' in load_errors(write_coco(tmp_path, content))
