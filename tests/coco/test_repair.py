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
        *(('007', '007'), ('1_0', '1_0'), ('a', 'a'), ('1.5', '1.5')),
    ],
)
def test_as_id(value, number):
    assert as_id(value) == number and type(as_id(value)) is type(number)


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
