"""Colours for datasets with more classes than their palette: MMDetection fails when it draws."""

from mmdet.visualization import get_palette
from mmengine.config import Config

from .leaves import classes_of, dataset_type, leaves


def full_palette(palette, num_classes: int) -> list[tuple[int, int, int]]:
    """One RGB colour per class: those of a palette that MMDetection accepts, then random ones."""
    given = palette if isinstance(palette, list | tuple) else []
    if given and not isinstance(given[0], int):
        return [*given[:num_classes], *get_palette('random', num_classes)[len(given) :]]
    try:
        return get_palette(palette, num_classes)
    except AssertionError:  # the named palette has too few
        return get_palette('random', num_classes)


def extend_palettes(cfg: Config) -> None:
    """Give each dataset of a config that has too few colours a longer palette, in place."""
    for split in ('train', 'val', 'test'):
        for dataset in leaves((cfg.get(f'{split}_dataloader') or {}).get('dataset')):
            kind = dataset_type(dataset)
            own = dataset.get('metainfo') or {}
            if kind is None or 'classes' not in own or isinstance(classes_of(dataset), str):
                continue
            num_classes = len(classes_of(dataset))
            palette = own.get('palette', (getattr(kind, 'METAINFO', None) or {}).get('palette'))
            if not isinstance(palette, list | tuple) or len(palette) >= num_classes:
                continue
            if not palette or not isinstance(palette[0], int):
                colours = full_palette(palette, num_classes)
                dataset.metainfo = {**own, 'palette': [tuple(map(int, c)) for c in colours]}
