import numpy as np
import pytest

from alrp.coco import as_id, repair
from alrp.coco.box_layout import box_layout_problem


def test_nothing_to_repair():
    content = dict(
        images=[dict(id=1, width=64, height=np.int64(48))],
        categories=[dict(id='a')],
        annotations=[
            dict(id=1, image_id=1.0, category_id='a', bbox=[1, 2, 3, 4], area=np.float32(12))
            | dict(iscrowd=np.int64(0), ignore=False),
        ],
    )
    repaired, repairs = repair(content)
    assert repaired == content and repairs == []
    assert repaired['annotations'] is content['annotations']
    assert repair({}) == ({}, [])


def test_repairs_name_key_and_entries():
    content = dict(
        images=[dict(id=i, width='64' if i < 3 else None) for i in range(1, 5)], categories=[]
    )
    repaired, (text, unknown) = repair(content)
    assert repaired['images'] == [
        dict(id=1, width=64),
        dict(id=2, width=64),
        dict(id=3),
        dict(id=4),
    ]
    assert (text.key, text.labels) == ('width', ('id 1', 'id 2'))
    assert (unknown.key, unknown.labels) == ('width', ('id 3', 'id 4'))
    assert str(unknown).endswith('(2x: id 3, id 4)')


@pytest.mark.parametrize(
    'value, number',
    [
        *(('1', 1), ('1.0', 1), (' 12 ', 12), ('-3', -3), ('0', 0), (2.0, 2.0), (None, None)),
        *(('007', 7), ('-01.0', -1), ('1_0', '1_0'), ('a', 'a'), ('1.5', '1.5')),
    ],
)
def test_as_id(value, number):
    assert as_id(value) == number and type(as_id(value)) is type(number)


def test_boxes_around_polygons_and_numbers_as_names():
    polygons = [[1, 2, 5, 2, 5, 9.5], [0, 4, 1, 4, 1, 6, 0, 6]]
    annotations = [
        dict(id=1, segmentation=polygons),
        dict(id=2, segmentation=polygons, bbox=None),
        dict(id=3, segmentation=[[1, 2, 3, 4]]),
        dict(id=4, segmentation=dict(counts=[4], size=[2, 2])),
        dict(id=5, segmentation=polygons, bbox=[1, 1, 1, 1]),
        dict(id=6, segmentation=[['1', 2, 5, 2, 5, 'x']]),
    ]
    categories = [dict(id=1, name=5), dict(id=2, name=True), dict(id=3, name='5')]
    repaired, (names, boxes) = repair(dict(annotations=annotations, categories=categories))
    found = [a.get('bbox') for a in repaired['annotations']]
    assert found == [[0, 2, 5, 7.5], [0, 2, 5, 7.5], None, None, [1, 1, 1, 1], None]
    assert [c['name'] for c in repaired['categories']] == ['5', True, '5']
    assert (boxes.key, boxes.labels) == ('bbox', ('id 1 of image None', 'id 2 of image None'))
    assert (names.key, names.labels) == ('name', ('id 1',))


@pytest.mark.parametrize(
    'boxes, named',
    [
        ([[0, 0, 1, 1]], None),  # a pixel, or the whole image
        ([[0.1, 0.1, 0.5, 0.5]], 'fractions'),
        ([[0.1, 0.1, 0.5, 0.5], [5, 5, 20, 20]], None),
        ([[60, 60, 90, 90]] * 2, None),
        ([[60, 60, 90, 90]] * 3, 'x1, y1, x2, y2'),
        ([[60, 60, 90, 90]] * 3 + [[60, 60, 9, 9]], None),
        ([[60, 60, 90, 90]] * 3 + [[5, 5, 9, 9]] * 20, None),
        ([[0, 0, 101, 100.5]] * 50, None),
        ([[200, 10, 50, 90]] * 6 + [[1, 1, 9, 9]] * 4, None),
        ([[200, 10, 50, 90]] * 10 + [[1, 1, 9, 9]] * 4, '10 of 14'),
    ],
)
def test_box_layout(boxes, named):
    problem = box_layout_problem(boxes, [(100, 100)] * len(boxes))
    assert problem is None if named is None else named in problem


def test_masks_and_boxes_as_text():
    annotations = [
        dict(id=1, segmentation=[['1', 2, ' 5', '2.5', 5, '9e0'], [0, 4, 1, 4, 1, 6]]),
        dict(id=2, segmentation=[['1', 2, 5, 2, 5, 'nan']], bbox='[1, 2, 3, "4"]'),
        dict(id=3, segmentation='1 2 3', bbox='1 2 3 4'),
        dict(id=4, segmentation=dict(counts='abc', size=[2, 2]), bbox='{}'),
        dict(id=5, segmentation=[[1, 2, 3, 4, 5, 6]], bbox=[1, 2, 3, 4]),
    ]
    found, repairs = repair(dict(annotations=annotations))
    found = found['annotations']
    assert found[0]['segmentation'] == [[1, 2, 5, 2.5, 5, 9], [0, 4, 1, 4, 1, 6]]
    assert found[0]['bbox'] == [0, 2, 5, 7] and found[1]['bbox'] == [1, 2, 3, 4]
    assert [a['segmentation'] for a in found[1:]] == [a['segmentation'] for a in annotations[1:]]
    assert [a['bbox'] for a in found[2:]] == ['1 2 3 4', '{}', [1, 2, 3, 4]]
    assert {(r.key, r.labels[0][:4]) for r in repairs} == {
        ('segmentation', 'id 1'),
        ('bbox', 'id 1'),
        ('bbox', 'id 2'),
    }


def test_ids_without_a_value():
    values = None, float('nan'), float('-inf'), 0, 2.0, '3'
    content = dict(annotations=[dict(id=i) for i in values], images=[dict(id=None)])
    repaired, [found] = repair(content)
    assert repaired['annotations'] == [{}, {}, {}, dict(id=0), dict(id=2.0), dict(id='3')]
    assert (found.key, len(found.labels)) == ('id', 3)
    assert repaired['images'] == [dict(id=None)]  # annotations refer to it
