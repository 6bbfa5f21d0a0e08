"""Labels of boxes: they do not cover each other, and are inside the image."""

import numpy as np
import pytest
from mmengine.structures import InstanceData

from alrp_mmdet.drawing import (
    GROUND_TRUTH,
    GROUND_TRUTH_LINE,
    detections_picture,
    draw_box,
    draw_detections,
    image_grid,
    plt,
)

CLASSES, COLOURS = ('bolt', 'a longer name'), [(0.9, 0.2, 0.1), (1.0, 1.0, 0.4)]


def detections(boxes, scores, labels=None) -> InstanceData:
    labels = np.zeros(len(scores), dtype=int) if labels is None else labels
    return InstanceData(bboxes=np.array(boxes), scores=np.array(scores), labels=labels)


@pytest.fixture
def axis():
    figure, axes = image_grid([(320, 240)] * 2, 2)
    axis = next(axes)
    axis.imshow(np.full((240, 320, 3), 128, dtype=np.uint8))
    yield axis
    plt.close(figure)


def extents(axis):
    axis.figure.canvas.draw()
    boxes = [text.get_bbox_patch().get_window_extent() for text in axis.texts]
    return [box.transformed(axis.transData.inverted()) for box in boxes]


@pytest.mark.parametrize('seed', range(3))
def test_labels_are_apart_and_inside_the_image(axis, seed):
    random = np.random.default_rng(seed)
    corners = random.uniform(-10, (310, 230), (60, 2))
    boxes = np.hstack([corners, corners + random.uniform(5, 80, (60, 2))])
    found = detections(boxes, random.random(60), random.integers(0, 2, 60))
    draw_detections(axis, found, CLASSES, COLOURS)
    labels = extents(axis)
    assert len(axis.patches) == 60 and 5 < len(labels) < 60
    for i, a in enumerate(labels):
        assert a.xmin > -1 and a.xmax < 320.5 and min(a.ymin, a.ymax) > -1
        assert max(a.ymin, a.ymax) < 240.5
        for b in labels[:i]:
            width = min(a.xmax, b.xmax) - max(a.xmin, b.xmin)
            height = min(a.y0, b.y0) - max(a.y1, b.y1)  # y points downwards
            assert width < 0.5 or height < 0.5


def test_the_highest_score_is_on_top_and_has_a_label(axis):
    boxes = [[100, 100, 130, 120]] * 40
    scores = np.roll(np.linspace(0.5, 0.89, 40), 7)
    draw_detections(axis, detections(boxes, scores), CLASSES, COLOURS)
    texts = [text.get_text() for text in axis.texts]
    assert texts[0] == 'bolt 0.89' and 1 < len(texts) < 10
    assert texts == [f'bolt {0.89 - 0.01 * i:.2f}' for i in range(len(texts))]


def test_a_box_beyond_the_image_has_a_label(axis):
    draw_detections(axis, detections([[-30, -20, 400, 300]], [0.5]), CLASSES, COLOURS)
    [label] = extents(axis)
    assert label.xmin > -1 and label.xmax < 320.5 and label.y1 > -1


@pytest.mark.parametrize('size', [(97, 131), (901, 640)])
def test_pictures_have_the_size_of_the_image(size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    before = image.copy()
    nothing = detections(np.zeros((0, 4)), [])
    assert np.array_equal(detections_picture(image, nothing, CLASSES, COLOURS), image)
    found = detections([[20, 40, 60, 90]], [0.5])
    drawn = detections_picture(image, found, CLASSES, COLOURS)
    assert drawn.shape == image.shape and (drawn[40, 30] == [230, 51, 26]).all()
    assert np.array_equal(image, before)


def test_detections_with_masks_only(axis):
    found = detections(np.zeros((1, 4)), [0.5])
    found.masks = np.zeros((1, 240, 320), dtype=bool)
    found.masks[0, 50:100, 80:120] = True
    draw_detections(axis, found, CLASSES, COLOURS)
    assert axis.patches[0].get_bbox().bounds == (80, 50, 40, 50)


@pytest.mark.parametrize('background', [0, 128, 255])
def test_the_ground_truth_is_seen_on_any_background(background):
    figure, axes = image_grid([(320, 240)], 1)
    axis = next(axes)
    axis.imshow(np.full((240, 320, 3), background, dtype=np.uint8))
    draw_box(axis, (60, 60, 260, 180), GROUND_TRUTH, **GROUND_TRUTH_LINE)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, 0].astype(int)
    x0, y0, x1, y1 = axis.get_window_extent().extents.round().astype(int)
    plt.close(figure)
    assert np.ptp(pixels[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2]) > 120
