"""Draws one picture of the synthetic dataset: shapes on a cluttered, noisy background."""

from typing import NamedTuple

import cv2
import numpy as np

CLASSES = ('circle', 'square', 'triangle', 'cross')
WIDTH, HEIGHT = 256, 192  # pixels
MIN_SIZE, MAX_SIZE = 28, 130  # pixels, of a shape's diameter
TILT = dict(circle=0, square=np.pi / 4, triangle=-np.pi / 2, cross=0)  # of an upright shape
MAX_TURN = np.pi / 8  # either way
MIN_VISIBLE = 0.5  # of a shape's pixels; a shape that is hidden more counts as clutter


class SceneObject(NamedTuple):
    """A visible shape.

    Attributes:
        label (int): Its class, an index into ``CLASSES``.
        mask (np.ndarray): Shape (HEIGHT, WIDTH), bool, its visible pixels.
    """

    label: int
    mask: np.ndarray


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, list[SceneObject]]:
    """Draw a picture and return its objects.

    Args:
        rng (np.random.Generator): The only source of randomness.

    Returns:
        tuple: The picture, of shape (HEIGHT, WIDTH, 3), uint8, BGR, and its objects.
    """
    image = _background(rng)
    for _ in range(rng.integers(2, 6)):
        _draw_clutter(image, rng)
    owner = np.full((HEIGHT, WIDTH), -1)  # index of the topmost shape
    labels, areas = [], []
    for index in range(rng.integers(3, 9)):
        label = int(rng.integers(len(CLASSES)))
        mask = _shape_mask(CLASSES[label], rng)
        owner[mask] = index
        labels.append(label)
        areas.append(mask.sum())
        _paint(image, mask, rng)
    for _ in range(rng.integers(0, 4)):
        line = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.line(line, _point(rng), _point(rng), 1, int(rng.integers(1, 4)))
        owner[line > 0] = -1  # in front of the shapes
        image[line > 0] = _colour(rng)
    image = np.clip(image + rng.normal(0, rng.uniform(3, 10), image.shape), 0, 255)

    objects = []
    for index, label in enumerate(labels):
        visible = owner == index
        if visible.sum() >= max(MIN_VISIBLE * areas[index], 40):
            objects.append(SceneObject(label, visible))
    return image.astype(np.uint8), objects


def shape_polygon(name: str) -> np.ndarray:
    """Polygon of a shape with radius one around the origin.

    Args:
        name (str): One of ``CLASSES``.

    Returns:
        np.ndarray: Shape (N, 2).
    """
    if name == 'cross':
        a, b = 0.94, 0.3
        corners = [(b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b)]
        return np.array(corners + [(-x, -y) for x, y in corners])
    return _regular({'triangle': 3, 'square': 4, 'circle': 48}[name])


def _regular(corners: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _shape_mask(name: str, rng: np.random.Generator) -> np.ndarray:
    """Pixels of a shape with a random position and size, slightly rotated and distorted."""
    radius = np.exp(rng.uniform(np.log(MIN_SIZE), np.log(MAX_SIZE))) / 2
    centre = rng.uniform(0.15 * radius, [WIDTH - 0.15 * radius, HEIGHT - 0.15 * radius])
    angle = TILT[name] + rng.uniform(-MAX_TURN, MAX_TURN)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    transform = radius * rotation * rng.uniform(0.8, 1.0, size=2)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.rint(shape_polygon(name) @ transform.T + centre).astype(np.int32)], 1)
    return mask.astype(bool)


def _background(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.uniform(0, 255, size=(rng.integers(2, 7), rng.integers(2, 7), 3))
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    contrast = rng.uniform(0.1, 0.45)
    return contrast * smooth + (1 - contrast) * rng.uniform(30, 225, size=3)


def _paint(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Fill a shape with a shaded or striped colour that differs from the background."""
    colour = _colour(rng)
    behind = image[mask].mean(axis=0) if mask.any() else colour
    if np.abs(colour - behind).max() < 70:
        colour = (colour + 110) % 255
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    direction = rng.uniform(-1, 1, size=2)
    if rng.random() < 0.4:
        shade = 24 * np.sign(np.sin((direction[0] * x + direction[1] * y) * rng.uniform(0.3, 1.2)))
    else:
        shade = 40 * (direction[0] * (x / WIDTH - 0.5) + direction[1] * (y / HEIGHT - 0.5))
    image[mask] = np.clip(colour + shade[mask, None], 0, 255)


def _draw_clutter(image: np.ndarray, rng: np.random.Generator) -> None:
    """Draw something that is not an object: a stroke, a scrap of paper or a crescent."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    kind = rng.integers(3)
    size = rng.uniform(6, 40)
    centre = rng.uniform(0, [WIDTH, HEIGHT])
    if kind == 0:
        cv2.line(mask, _point(rng), _point(rng), 1, int(rng.integers(1, 5)))
    elif kind == 1:
        angles = np.sort(rng.uniform(0, 2 * np.pi, size=rng.integers(5, 9)))
        radii = size * rng.uniform(0.3, 1.0, size=len(angles))
        points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1) + centre
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
    else:
        shift = size * np.array([0.5, 0.3])
        for offset, value in ((0, 1), (shift, 0)):
            points = size * _regular(32) + centre + offset
            cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], value)
    image[mask > 0] = _colour(rng)


def _point(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))


def _colour(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(10, 245, size=3)
