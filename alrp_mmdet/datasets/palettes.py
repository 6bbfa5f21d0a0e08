"""Colours of classes. MMDetection gives other classes than COCO's the colours of COCO, in order."""

import colorsys
import itertools

import matplotlib
from mmdet.visualization import get_palette
from mmengine.config import Config

from .leaves import classes_of, dataset_type, leaves

GOLDEN = (5**0.5 - 1) / 2  # steps of this length spread over a circle evenly

# Of more classes, writing the colours with the config would take seconds, for each checkpoint.
MAX_LISTED = 200

Colours = list[tuple[int, int, int]]


def distinct_colours(num_classes: int) -> Colours:
    """Choose one RGB colour per class, of which the first 20 are easy to tell apart."""
    pairs = matplotlib.colormaps['tab20'].colors  # ten strong colours, each before a pale one
    hues = (colorsys.hsv_to_rgb(i * GOLDEN % 1, 0.9, 0.8) for i in itertools.count())
    chosen = itertools.islice(itertools.chain(pairs[::2], pairs[1::2], hues), num_classes)
    return [tuple(round(255 * channel) for channel in colour) for colour in chosen]


def full_palette(palette, num_classes: int) -> Colours:
    """One RGB colour per class: those of a palette that MMDetection accepts, then distinct ones."""
    given = palette if isinstance(palette, list | tuple) else []
    if given and not isinstance(given[0], int):
        return [*given[:num_classes], *distinct_colours(num_classes)[len(given) :]]
    if not palette or palette == 'random':
        return distinct_colours(num_classes)
    try:
        return get_palette(palette, num_classes)
    except AssertionError:  # the named palette has too few
        return distinct_colours(num_classes)


def set_palettes(cfg: Config) -> None:
    """Give each dataset of a config that has its own classes a colour for each, in place.

    A palette in ``metainfo`` is kept, and extended if it has too few colours. Without
    one, more than ``MAX_LISTED`` classes get MMDetection's random colours.
    """
    for split in ('train', 'val', 'test'):
        for dataset in leaves((cfg.get(f'{split}_dataloader') or {}).get('dataset')):
            kind = dataset_type(dataset)
            own = dataset.get('metainfo') or {}
            if kind is None or 'classes' not in own or isinstance(classes_of(dataset), str):
                continue
            known = getattr(kind, 'METAINFO', None) or {}
            same = list(known.get('classes') or []) == list(classes_of(dataset))
            palette = own.get('palette', known.get('palette') if same else None)
            named = isinstance(palette, str)
            if not named and not (palette and isinstance(palette[0], int)):  # one colour for all
                num_classes = len(classes_of(dataset))
                colours = 'random'
                if palette or num_classes <= MAX_LISTED:
                    colours = [tuple(map(int, c)) for c in full_palette(palette, num_classes)]
                dataset.metainfo = {**own, 'palette': colours}
