"""The summary of a dataset that tools/new_project.py prints."""

from alrp.text import counted, format_table

from .recipes import Recipe
from .settings import ANCHOR_IOU, TrainingSettings
from .statistics import Objects, count_by_size, resize_factor

MIN_SIDE = 8  # pixels: the finest stride of a one-stage detector
# FoveaBox takes its positive points from the central 0.4 of a box: 8 of 20 pixels, one stride.
MIN_SIDE_FOVEABOX = 20
MAX_SHARE_NARROW = 0.05  # share of objects narrower than that from which to warn
SIZES = 'small', 'medium', 'large'


def summarise(
    classes: tuple[str, ...],
    objects: dict[str, Objects],
    recipe: Recipe,
    settings: TrainingSettings,
) -> str:
    """Tables of the objects by class and by size, the fit of the anchors, and advice.

    Args:
        classes (tuple[str, ...]): Names of the classes.
        objects (dict[str, Objects]): Objects of ``train`` and ``val``.
        recipe (Recipe): The detector.
        settings (TrainingSettings): Its settings.

    Returns:
        str: The text, in several lines.
    """
    return '\n'.join(
        [
            _class_table(classes, objects),
            _size_table(objects, settings.image_scale),
            *_anchor_fit(settings),
            *_advice(objects['train'], recipe, settings.image_scale),
        ]
    )


def training_length(settings: TrainingSettings) -> str:
    """How long training will be, in one line."""
    epochs = counted(settings.epochs, 'epoch', 'epochs')
    per_epoch = counted(settings.steps // settings.epochs, 'step', 'steps')
    return f'Training: {epochs} of {per_epoch} ({settings.steps:,} in all); --epochs changes this'


def _class_table(classes: tuple[str, ...], objects: dict[str, Objects]) -> str:
    rows = [['', *objects]]
    rows.append(['images', *(f'{len(o.image_sizes):,}' for o in objects.values())])
    rows.append(['with objects', *(f'{o.with_objects:,}' for o in objects.values())])
    if any(o.crowds for o in objects.values()):
        rows.append(['crowds or difficult', *(f'{o.crowds:,}' for o in objects.values())])
    rows.append(['objects', *(f'{len(o.areas):,}' for o in objects.values())])
    for i, name in enumerate(classes):
        rows.append([f'  {name}', *(f'{(o.labels == i).sum():,}' for o in objects.values())])
    return format_table(rows)


def _size_table(objects: dict[str, Objects], image_scale: tuple[int, int]) -> str:
    rows = [['objects by size', 'original', '', f'at {image_scale[0]}x{image_scale[1]}', '']]
    rows.append(['', *list(objects) * 2])
    factors = [resize_factor(o.object_image_sizes, image_scale) for o in objects.values()]
    original = [count_by_size(o.areas) for o in objects.values()]
    resized = [count_by_size(o.areas * f**2) for o, f in zip(objects.values(), factors)]
    for i, size in enumerate(SIZES):
        rows.append([size, *(f'{counts[i]:,}' for counts in original + resized)])
    return format_table(rows)


def _anchor_fit(settings: TrainingSettings) -> list[str]:
    if not settings.anchor_recall:
        return []
    title = f'Objects that an anchor overlaps with IoU >= {ANCHOR_IOU}, averaged over classes:'
    shares = [
        f'  {share:.1%} at scale {scale}' + (' (chosen)' if scale == settings.anchor_scale else '')
        for scale, share in settings.anchor_recall.items()
    ]
    return [title, *shares]


def _advice(train: Objects, recipe: Recipe, image_scale: tuple[int, int]) -> list[str]:
    factors = resize_factor(train.object_image_sizes, image_scale)[:, None]
    sides = (train.boxes[:, 2:] * factors).min(axis=1)
    least = MIN_SIDE if recipe.anchors else MIN_SIDE_FOVEABOX
    advice = 'use larger images, or cut them into tiles'
    if not recipe.anchors:
        advice = 'FoveaBox has hardly any positive points in them, use --detector atss'
    share = float((sides < least).mean())
    if share <= MAX_SHARE_NARROW:
        return []
    return [f'{share:.1%} of the objects are narrower than {least} pixels after resizing: {advice}']
