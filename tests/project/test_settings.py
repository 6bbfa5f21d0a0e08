"""The settings that are chosen from the data."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from alrp_mmdet.project.recipes import RECIPES
from alrp_mmdet.project.settings import (
    anchor_recall,
    choose_epochs,
    choose_image_scale,
    choose_settings,
)
from alrp_mmdet.project.statistics import Objects, count_by_size, resize_factor
from alrp_mmdet.project.summary import summarise


def make_objects(image_size, side: float, number: int = 100, images: int = 50) -> Objects:
    """Square objects of one size at random positions in images of one size."""
    rng = np.random.default_rng(0)
    size = np.tile(np.array(image_size, dtype=float), (number, 1))
    corner = rng.uniform(0, 1, (number, 2)) * (size - side)
    return Objects(
        boxes=np.concatenate([corner, np.full((number, 2), side)], axis=1),
        areas=np.full(number, side**2),
        labels=np.arange(number) % 2,
        object_image_sizes=size,
        image_sizes=size[:images],
        with_objects=images,
        crowds=0,
    )


@pytest.mark.parametrize(
    'image_size, side, scale',
    [
        ((640, 480), 60, (640, 480)),
        ((480, 640), 60, (640, 480)),
        ((500, 333), 60, (512, 320)),
        ((4000, 3000), 300, (1056, 800)),  # 1067 x 800
        ((3000, 500), 90, (1344, 224)),  # the long side decides
        ((64, 48), 20, (416, 320)),  # enlarged to the smallest short side, 427 x 320
        ((640, 480), 11, (928, 704)),  # enlarged for small objects, 931 x 698
        ((640, 480), 4, (1056, 800)),  # enlarged up to the limit
    ],
)
def test_scale_suits_images_and_objects(image_size, side, scale):
    assert choose_image_scale(make_objects(image_size, side), RECIPES['atss'].max_scale) == scale


def test_small_detector_has_small_images_and_batches():
    chosen = choose_settings(RECIPES['retinanet-small'], make_objects((640, 480), 60))
    assert (chosen.image_scale, chosen.batch_size) == ((416, 320), 4)
    chosen = choose_settings(RECIPES['retinanet-small'], make_objects((1000, 300), 60))
    assert chosen.image_scale == (544, 160)


def test_resize_factor_matches_mmcv():
    import mmcv

    sizes = np.array([[640, 480], [480, 640], [300, 100], [50, 900]])
    for scale in ((640, 480), (1344, 800)):
        expected = [mmcv.rescale_size(tuple(size), scale, True)[1] for size in sizes.tolist()]
        np.testing.assert_allclose(resize_factor(sizes.astype(float), scale), expected)


def test_epochs_fall_with_the_number_of_images():
    assert [choose_epochs(n) for n in (1, 10, 100, 1000, 8403, 10**6)] == [
        150,
        150,
        110,
        35,
        12,
        12,
    ]
    steps = [n * choose_epochs(n) for n in range(1, 20000, 50)]
    assert all(a <= 1.1 * b for a, b in itertools.pairwise(steps))  # apart from rounding


@pytest.mark.parametrize(
    'name, side, base', [('retinanet', 20, 2), ('retinanet', 60, 4), ('faster-rcnn', 400, 8)]
)
def test_anchors_fit_the_objects(name, side, base):
    chosen = choose_settings(RECIPES[name], make_objects((640, 480), side))
    assert chosen.anchor_scale == base
    assert chosen.anchor_recall[base] > 0.9


def merge_as_two_classes(many: Objects, few: Objects) -> Objects:
    return replace(
        many,
        boxes=np.concatenate([many.boxes, few.boxes]),
        areas=np.concatenate([many.areas, few.areas]),
        labels=np.repeat([0, 1], [len(many.areas), len(few.areas)]),
        object_image_sizes=np.concatenate([many.object_image_sizes, few.object_image_sizes]),
    )


def test_anchors_fit_the_objects_of_rare_classes_too():
    many, few = make_objects((640, 480), 60, number=200), make_objects((640, 480), 20, number=10)
    both = merge_as_two_classes(many, few)
    recall = anchor_recall(RECIPES['retinanet'].anchors, both, (640, 480))
    of_many, of_few = (
        anchor_recall(RECIPES['retinanet'].anchors, o, (640, 480)) for o in (many, few)
    )
    assert of_few[4] < 0.1
    assert recall == pytest.approx({b: (of_many[b] + of_few[b]) / 2 for b in recall})
    assert choose_settings(RECIPES['retinanet'], both).anchor_scale == 2


def test_a_few_objects_do_not_outvote_the_others():
    many, few = make_objects((640, 480), 60, number=200), make_objects((640, 480), 20, number=9)
    assert choose_settings(RECIPES['retinanet'], merge_as_two_classes(many, few)).anchor_scale == 4
    alone = choose_settings(RECIPES['retinanet'], make_objects((640, 480), 20, number=9, images=9))
    assert alone.anchor_scale == 2


def test_all_classes_count_if_none_has_many_objects():
    more, fewer = make_objects((640, 480), 60, number=9), make_objects((640, 480), 20, number=8)
    anchors = RECIPES['retinanet'].anchors
    both, *each = (
        anchor_recall(anchors, o, (640, 480))
        for o in (merge_as_two_classes(more, fewer), more, fewer)
    )
    assert both == pytest.approx({b: (each[0][b] + each[1][b]) / 2 for b in both})


def test_schedule_and_batch():
    chosen = choose_settings(RECIPES['foveabox'], make_objects((640, 480), 60, images=50))
    assert (chosen.batch_size, chosen.epochs, chosen.anchor_scale) == (4, 150, None)
    assert chosen.warmup_steps == 150 * 13 // 10
    assert choose_settings(RECIPES['foveabox'], make_objects((640, 480), 60), epochs=7).epochs == 7
    assert choose_settings(RECIPES['atss'], make_objects((640, 480), 60, images=2)).batch_size == 2
    assert choose_settings(RECIPES['atss'], make_objects((500, 480), 60)).batch_size == 8
    assert choose_settings(RECIPES['atss'], make_objects((2000, 1200), 60)).batch_size == 2


def test_size_ranges_match_coco():
    assert count_by_size(np.array([1.0, 1023, 1024, 9215, 9216, 1e6])) == (2, 2, 2)


@pytest.mark.parametrize(
    'name, side, share, pixels, advice',
    [
        ('foveabox', 18, 100, 20, 'FoveaBox .*--detector atss'),
        ('retinanet', 3, 100, 8, 'larger images'),
        ('retinanet', 18, None, None, None),
    ],
)
def test_summary_counts_objects_and_warns_of_narrow_ones(name, side, share, pixels, advice):
    recipe, train = RECIPES[name], make_objects((640, 480), side)
    both = dict(train=train, val=make_objects((640, 480), 100, 10))
    text = summarise(('cat', 'dog'), both, recipe, choose_settings(recipe, train))
    warned = re.findall(r'([\d.]+)% .* (\d+) pixels.*: (.*)', text)
    if share is None:
        assert not warned
    else:
        [(found_share, found_pixels, found_advice)] = warned
        assert (float(found_share), int(found_pixels)) == (share, pixels)
        assert re.search(advice, found_advice)
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in text.splitlines()]
    assert ['images', '50', '10'] in rows
    assert ['cat', '50', '5'] in rows
    assert ['large', '0', '10', '0', '10'] in rows
