"""COCO files with values of the wrong kind are repaired in the copy that is written."""

import re

import pytest
from format_writers import by_file, make_coco, write_coco
from load_helpers import as_written, load_by_file, load_errors, load_warnings

from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.findings import Findings


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
    assert re.search(r"1 of \d annotations has no 'image_id': id 1", found)
    assert re.search(r'image_id that is not in images: 77 \(id 2', found)


@pytest.mark.parametrize('key', ['category_id', 'bbox', 'image_id'])
def test_missing_keys_are_errors(tmp_path, content, key):
    for annotation in content['annotations']:
        del annotation[key]
    content['annotations'][-1][key] = [5, 5, 9, 9] if key == 'bbox' else 1
    assert f'have no {key!r}' in load_errors(write_coco(tmp_path, content))


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


def test_findings_before_an_error_are_kept(tmp_path, content):
    del content['annotations'][0]['area']
    path = write_coco(tmp_path, content)
    broken = tmp_path / 'broken.json'
    broken.write_text('{')
    findings = Findings()
    with pytest.raises(ValueError, match='not JSON'):
        load_data(path, val=broken, findings=findings)
    assert "without 'area'" in str(findings)
