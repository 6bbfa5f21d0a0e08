"""COCO files with values of the wrong kind are repaired in the copy that is written."""

import json
import re
from pathlib import Path

import pytest
from format_writers import by_file, make_coco, write_coco
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.findings import Findings


def as_written(path: Path, **options) -> tuple[list[dict], str]:
    """The files that would be written for training and validation, and all problems."""
    data = load_data(path, **options)
    assert not data.findings.errors, str(data.findings)
    assert data.train.ann_file is None
    return [json.loads(split.to_json()) for split in (data.train, data.val)], str(data.findings)


def every(key, **changes):
    def change(content):
        for entry in content[key]:
            entry.update(changes)

    return change


def as_text(content):
    for image in content['images']:
        image.update(width=str(image['width']), height=f'{image["height"]}.0')
    for annotation in content['annotations']:
        annotation.update(
            bbox=[str(x) for x in annotation['bbox']],
            area=str(annotation['area']),
            iscrowd=str(bool(annotation['iscrowd'])),
        )


def text_references(content):
    for annotation in content['annotations']:
        for key in ('image_id', 'category_id'):
            annotation[key] = str(annotation[key])


def text_categories(content):
    for entry in content['categories']:
        entry['id'] = f'class-{entry["id"]}'
    for annotation in content['annotations']:
        annotation['category_id'] = f'class-{annotation["category_id"]}'


@pytest.mark.parametrize(
    'change, message',
    [
        (every('images', width=None), r"images with 'width'.*ignored \(6x: id 1, id 2"),
        (every('images', height=0, width=0.0), r"images with 'height'.*ignored \(6x"),
        (every('images', height='', width='unknown'), r"images with 'width'.*ignored \(6x"),
        (every('annotations', area=None), r"without 'area'.*width \* height.*\(9x: id 1, id 2"),
        (every('annotations', area=0), r"without 'area'.*\(9x"),
        (every('annotations', area='?'), r"without 'area'.*\(9x"),
        (as_text, r"'bbox' written as text.*\(9x: id 1 of image 1"),
        (text_references, r"'category_id' written as text.*\(9x: id 1 of image 1"),
        (text_categories, "categories whose 'id' is text"),
    ],
)
def test_values_are_filled_in_or_read(tmp_path, content, change, message):
    expected = by_file(content)
    change(content)
    path = write_coco(tmp_path, content)
    before = path.read_bytes()
    assert re.search(message, load_warnings(path))
    assert load_by_file(path) == expected
    assert path.read_bytes() == before
    for split in as_written(path)[0]:
        assert all(type(c['id']) is int for c in split['categories'])
        assert all(a['area'] == a['bbox'][2] * a['bbox'][3] for a in split['annotations'])


@pytest.mark.parametrize('value', [None, 'unspecified', 'no', '0', False, 0.0])
def test_flags_are_no_crowds_unless_they_say_so(tmp_path, content, value):
    every('annotations', iscrowd=value, ignore=value)(content)
    data = load_data(write_coco(tmp_path, content))
    assert not data.findings.errors, str(data.findings)
    for annotation in [*data.train.content['annotations'], *data.val.content['annotations']]:
        assert not annotation['iscrowd'] and not annotation.get('ignore')
    if isinstance(value, str) or value is None:
        assert "'iscrowd'" in str(data.findings) and '9x' in str(data.findings)


def test_whole_floats_are_ids(tmp_path, content):
    expected = by_file(content)
    for key in ('images', 'annotations', 'categories'):
        for entry in content[key]:
            entry.update({k: float(v) for k, v in entry.items() if k.endswith('id')})
    path = write_coco(tmp_path, content)
    assert load_by_file(path) == expected
    content['annotations'][0]['category_id'] = 1.5
    assert re.search(r'category_id .*categories.*1\.5', load_errors(write_coco(tmp_path, content)))


@pytest.mark.parametrize('zero', [0, 0.0, '0'])
def test_annotations_are_numbered_from_1(tmp_path, content, zero):
    val = make_coco(tmp_path, seed=1)
    for part in (content, val):
        for i, annotation in enumerate(part['annotations']):
            annotation['id'] = i or zero
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, val, 'val')
    written, found = as_written(path, val=val)
    for split in written:
        assert [a['id'] for a in split['annotations']] == [*range(1, 10)]
    assert found.count('id 0') >= 2 and 'pycocotools' in found
    written, _ = as_written(path)
    assert all(0 not in {a['id'] for a in split['annotations']} for split in written)


def test_ids_that_are_missing_or_shared(tmp_path, content):
    del content['annotations'][0]['id']
    content['annotations'][3]['id'] = 2
    content['annotations'][4]['id'] = 'x'
    written, found = as_written(write_coco(tmp_path, content))
    assert sorted(a['id'] for split in written for a in split['annotations']) == [
        *(2, 3, 6, 7, 8, 9, 10, 11, 12),
    ]
    assert re.search(r'\(3x: id None of image 1, now 10, id 2 of image 3, now 11, id x', found)


def test_annotations_of_unknown_images_are_errors(tmp_path, content):
    del content['annotations'][0]['image_id']
    content['annotations'][1]['image_id'] = 77
    found = load_errors(write_coco(tmp_path, content))
    assert re.search(r"1 of \d annotations have no 'image_id': id 1", found)
    assert re.search(r'image_id that is not in images: 77 \(id 2', found)


@pytest.mark.parametrize('key', ['category_id', 'bbox', 'image_id'])
def test_missing_keys_are_errors(tmp_path, content, key):
    for annotation in content['annotations']:
        del annotation[key]
    content['annotations'][-1][key] = [5, 5, 9, 9] if key == 'bbox' else 1
    assert f'have no {key!r}' in load_errors(write_coco(tmp_path, content))


# -- root categories


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
    every('categories', supercategory=value)(content)
    assert load_data(write_coco(tmp_path, content)).train.classes == ('bolt', 'nut', 'washer')


# -- ids


@pytest.mark.parametrize('value', [None, float('nan'), float('inf')])
def test_annotations_without_a_usable_id_are_numbered(tmp_path, content, value):
    for annotation in content['annotations'][:2]:
        annotation['id'] = value
    parts, text = as_written(write_coco(tmp_path, content))
    ids = [a['id'] for part in parts for a in part['annotations']]
    assert sorted(ids) == list(range(3, len(content['annotations']) + 3))
    assert re.search(r"'id'.*2x: id (None|nan|inf) of image", text)


def test_validation_categories_with_text_ids(tmp_path, content):
    val = make_coco(tmp_path, seed=1)
    text_categories(val)
    val['categories'] = val['categories'][::-1] + val['categories'][:1]  # one of them twice
    paths = write_coco(tmp_path, content), write_coco(tmp_path, val, 'val')
    data = load_data(paths[0], val=paths[1])
    assert not data.findings.errors, str(data.findings)
    assert data.val.classes == ('bolt', 'nut', 'washer')
    names = [next(iter(objects), [''])[0] for _, objects in by_file(data.val.content).values()]
    assert names == [
        next(iter(x), [''])[0] for _, x in by_file(make_coco(tmp_path, seed=1)).values()
    ]


# -- findings


def test_findings_before_an_error_are_kept(tmp_path, content):
    del content['annotations'][0]['area']
    path = write_coco(tmp_path, content)
    broken = tmp_path / 'broken.json'
    broken.write_text('{')
    findings = Findings()
    with pytest.raises(ValueError, match='not JSON'):
        load_data(path, val=broken, findings=findings)
    assert "without 'area'" in str(findings)


# -- boxes of another kind


def corners(content):
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x + 20, y + 20, x + 20 + w, y + 20 + h]


@pytest.mark.parametrize('count', [1, 2])
def test_few_boxes_that_stick_out_are_no_corners(tmp_path, content, count):
    val = make_coco(tmp_path, seed=1)
    val['annotations'] = val['annotations'][:count]
    for annotation in val['annotations']:
        annotation['bbox'] = [1.0, 1.0, 64.0, 48.0]  # of 64x48 or larger
        annotation['image_id'] = 1
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, val, 'val')
    data = load_data(path, val=val)
    assert not data.findings.errors, str(data.findings)
    assert f'now clipped ({count}x' in str(data.findings)


def test_pages_that_stick_out_by_a_pixel_are_no_corners(tmp_path, content):
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    for annotation in content['annotations']:
        annotation['bbox'] = [1.0, 1.0, *map(float, sizes[annotation['image_id']])]
        annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
    assert 'now clipped (9x' in load_warnings(write_coco(tmp_path, content))


def test_corners_need_all_boxes(tmp_path, content):
    corners(content)
    path = write_coco(tmp_path, content)
    assert re.search(r'\[x1, y1, x2, y2\].*\d of \d go beyond', load_errors(path))
    for annotation in content['annotations']:
        if annotation['image_id'] == 2:
            annotation['bbox'] = [30.0, 5.0, 9.0, 9.0]
    assert 'now clipped' in load_warnings(write_coco(tmp_path, content))


@pytest.mark.parametrize('area', ['fraction', 'pixels', 'absent'])
def test_fractions_are_converted_to_pixels(tmp_path, content, area):
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    before = [list(a['bbox']) for a in content['annotations']]
    for annotation in content['annotations']:
        width, height = sizes[annotation['image_id']]
        x, y, w, h = annotation['bbox']
        annotation['segmentation'] = [[x / width, y / height, (x + w) / width, y / height, 0, 1.0]]
        annotation['bbox'] = [x / width, y / height, w / width, h / height]
        if area == 'fraction':
            annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
        if area == 'absent':
            del annotation['area']
    for image in content['images']:
        image.update(width=0.0, height=0.0)  # as Azure does
    written, found = as_written(write_coco(tmp_path, content))
    assert 'fractions' in found
    after = {a['id']: a for split in written for a in split['annotations']}
    for i, box in enumerate(before, 1):
        assert after[i]['bbox'] == pytest.approx(box)
        assert after[i]['area'] == pytest.approx(box[2] * box[3])
        x, y, *_ = after[i]['segmentation'][0]
        assert (x, y) == pytest.approx(tuple(box[:2]))


@pytest.mark.parametrize('only', [False, True])
def test_boxes_are_read_from_polygons(tmp_path, content, only):
    expected = by_file(content)
    for annotation in content['annotations'][: None if only else 4]:
        x, y, w, h = annotation.pop('bbox')
        annotation['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    path = write_coco(tmp_path, content)
    assert load_by_file(path) == expected
    assert re.search(rf"without 'bbox'.*\({9 if only else 4}x: id 1 ", load_warnings(path))


def test_names_of_classes(tmp_path, content):
    content['categories'][1]['name'] = 7
    path = write_coco(tmp_path, content)
    assert re.search(r"'name' written as a number.*\(1x: id 2\)", load_warnings(path))
    assert [c['name'] for c in as_written(path)[0][0]['categories']] == ['bolt', '7', 'washer']
    content['categories'][1]['name'] = ' '
    assert 'without a name' in load_errors(write_coco(tmp_path, content))


def test_unusable_boxes_can_be_left_out(tmp_path, content):
    content['annotations'][1].update(bbox=[5, 5, 0, 3], area=0)
    content['annotations'][2]['bbox'] = [500, 5, 9, 9]
    path = write_coco(tmp_path, content)
    errors = load_errors(path)
    assert 'no area' in errors and 'outside' in errors and '--skip-missing' in errors
    assert "'area'" not in errors  # the area of a flat box is not another problem
    written, text = as_written(path, skip_missing=True)
    assert sum(len(content['annotations']) for content in written) == 7
    assert re.search(r'left out: .*area \(1x: id 2 of 0_2\.png\)', text)
    assert re.search(r'left out: .*outside.* \(1x: id 3 of 0_2\.png\)', text)
