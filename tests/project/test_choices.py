"""What a written config is given, by the data."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from alrp_mmdet.project.choices import (
    DETECTORS,
    anchor_shares,
    choose,
    epochs_for,
    image_scale,
)
from alrp_mmdet.project.statistics import Objects, count_by_size, resize_factor
from alrp_mmdet.project.summary import summary


def objects(image_size, side: float, number: int = 100, images: int = 50) -> Objects:
    """Square objects of one side, at many places of images of one size."""
    rng = np.random.default_rng(0)
    size = np.tile(np.array(image_size, dtype=float), (number, 1))
    corner = rng.uniform(0, 1, (number, 2)) * (size - side)
    return Objects(
        box=np.concatenate([corner, np.full((number, 2), side)], axis=1),
        area=np.full(number, side**2),
        label=np.arange(number) % 2,
        image_size=size,
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
        ((64, 48), 20, (416, 320)),  # enlarged to the least short side, 427 x 320
        ((640, 480), 11, (928, 704)),  # enlarged for small objects, 931 x 698
        ((640, 480), 4, (1056, 800)),  # at most to the largest size
    ],
)
def test_scale_suits_images_and_objects(image_size, side, scale):
    assert image_scale(objects(image_size, side), DETECTORS['atss'].limits) == scale


def test_small_detector_has_small_images_and_batches():
    chosen = choose(DETECTORS['retinanet-small'], objects((640, 480), 60))
    assert (chosen.scale, chosen.batch_size) == ((416, 320), 4)
    chosen = choose(DETECTORS['retinanet-small'], objects((1000, 300), 60))
    assert chosen.scale == (544, 160)


def test_resized_as_mmcv_does():
    import mmcv

    sizes = np.array([[640, 480], [480, 640], [300, 100], [50, 900]])
    for scale in ((640, 480), (1344, 800)):
        expected = [mmcv.rescale_size(tuple(size), scale, True)[1] for size in sizes.tolist()]
        np.testing.assert_allclose(resize_factor(sizes.astype(float), scale), expected)


def test_epochs_fall_with_the_number_of_images():
    assert [epochs_for(n) for n in (1, 10, 100, 1000, 8403, 10**6)] == [150, 150, 110, 35, 12, 12]
    steps = [n * epochs_for(n) for n in range(1, 20000, 50)]
    assert all(a <= 1.1 * b for a, b in itertools.pairwise(steps))  # but for rounding


@pytest.mark.parametrize(
    'name, side, base', [('retinanet', 20, 2), ('retinanet', 60, 4), ('faster-rcnn', 400, 8)]
)
def test_anchors_fit_the_objects(name, side, base):
    chosen = choose(DETECTORS[name], objects((640, 480), side))
    assert chosen.base_scale == base
    assert chosen.anchor_shares[base] > 0.9


def of_two_classes(many: Objects, few: Objects) -> Objects:
    return replace(
        many,
        **{k: np.concatenate([getattr(many, k), getattr(few, k)]) for k in ('box', 'area')},
        label=np.repeat([0, 1], [len(many.area), len(few.area)]),
        image_size=np.concatenate([many.image_size, few.image_size]),
    )


def test_anchors_fit_the_objects_of_rare_classes_too():
    many, few = objects((640, 480), 60, number=200), objects((640, 480), 20, number=10)
    both = of_two_classes(many, few)
    shares = anchor_shares(DETECTORS['retinanet'].anchors, both, (640, 480))
    of_many, of_few = (
        anchor_shares(DETECTORS['retinanet'].anchors, o, (640, 480)) for o in (many, few)
    )
    assert of_few[4] < 0.1
    assert shares == pytest.approx({b: (of_many[b] + of_few[b]) / 2 for b in shares})
    assert choose(DETECTORS['retinanet'], both).base_scale == 2


def test_a_few_objects_do_not_outvote_the_others():
    many, few = objects((640, 480), 60, number=200), objects((640, 480), 20, number=9)
    assert choose(DETECTORS['retinanet'], of_two_classes(many, few)).base_scale == 4
    alone = choose(DETECTORS['retinanet'], objects((640, 480), 20, number=9, images=9))
    assert alone.base_scale == 2


def test_all_classes_count_if_none_has_many_objects():
    more, fewer = objects((640, 480), 60, number=9), objects((640, 480), 20, number=8)
    anchors = DETECTORS['retinanet'].anchors
    both, *each = (
        anchor_shares(anchors, o, (640, 480)) for o in (of_two_classes(more, fewer), more, fewer)
    )
    assert both == pytest.approx({b: (each[0][b] + each[1][b]) / 2 for b in both})


def test_schedule_and_batch():
    chosen = choose(DETECTORS['foveabox'], objects((640, 480), 60, images=50))
    assert (chosen.batch_size, chosen.epochs, chosen.base_scale) == (4, 150, None)
    assert chosen.warmup == 150 * 13 // 10
    assert choose(DETECTORS['foveabox'], objects((640, 480), 60), epochs=7).epochs == 7
    assert choose(DETECTORS['atss'], objects((640, 480), 60, images=2)).batch_size == 2
    assert choose(DETECTORS['atss'], objects((500, 480), 60)).batch_size == 8
    assert choose(DETECTORS['atss'], objects((2000, 1200), 60)).batch_size == 2


def test_sizes_are_coco_s():
    assert count_by_size(np.array([1.0, 1023, 1024, 9215, 9216, 1e6])) == (2, 2, 2)


@pytest.mark.parametrize(
    'name, side, remark',
    [
        ('foveabox', 18, '100.0% of the objects are narrower than 20 pixels then, for which Fovea'),
        ('retinanet', 3, '100.0% of the objects are narrower than 8 pixels then: larger images'),
    ],
)
def test_summary_says_what_to_expect(name, side, remark):
    detector, train = DETECTORS[name], objects((640, 480), side)
    both = dict(train=train, val=objects((640, 480), 100, 10))
    text = summary(('cat', 'dog'), both, detector, choose(detector, train))
    assert remark in text
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in text.splitlines()]
    assert ['images', '50', '10'] in rows
    assert ['cat', '50', '5'] in rows
    assert ['large', '0', '10', '0', '10'] in rows
