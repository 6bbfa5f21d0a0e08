"""What is told of the data of a project."""

from terminaltables import AsciiTable

from .choices import Choices, Detector
from .statistics import Objects, count_by_size, resize_factor

TINY = 8  # pixels: the finest stride of a one-stage detector
SPARSE = 20  # pixels: narrower objects have hardly a point of FoveaBox, whose centre is 0.4 wide
SIZES = 'small', 'medium', 'large'


def summary(
    classes: tuple[str, ...],
    objects: dict[str, Objects],
    detector: Detector,
    choices: Choices,
) -> str:
    """Tables of the objects by class and by size, and what follows from them.

    Args:
        classes (tuple[str, ...]): Names of the classes.
        objects (dict[str, Objects]): Of ``train`` and ``val``.
        detector (Detector): What is trained.
        choices (Choices): How.

    Returns:
        str: Lines.
    """
    train = objects['train']
    rows = [['', *objects]]
    rows.append(['images', *(f'{len(o.image_sizes):,}' for o in objects.values())])
    rows.append(['with objects', *(f'{o.with_objects:,}' for o in objects.values())])
    if any(o.crowds for o in objects.values()):
        rows.append(['crowds or difficult', *(f'{o.crowds:,}' for o in objects.values())])
    rows.append(['objects', *(f'{len(o.area):,}' for o in objects.values())])
    for i, name in enumerate(classes):
        rows.append([f'  {name}', *(f'{(o.label == i).sum():,}' for o in objects.values())])
    resized = f'{choices.scale[0]}x{choices.scale[1]}'
    by_size = [['objects by size', 'originally', '', f'at {resized}', '']]
    by_size.append(['', *list(objects) * 2])
    counts = {}
    for name, o in objects.items():
        factor = resize_factor(o.image_size, choices.scale)
        counts[name] = count_by_size(o.area), count_by_size(o.area * factor**2)
    for i, size in enumerate(SIZES):
        numbers = [f'{counts[name][after][i]:,}' for after in (0, 1) for name in objects]
        by_size.append([size, *numbers])
    lines = [_table(rows), _table(by_size)]
    lines += _remarks(train, detector, choices)
    return '\n'.join(lines)


def missing_classes(classes: tuple[str, ...], objects: Objects) -> list[str]:
    """Classes that no object of a split is of."""
    present = set(objects.label.tolist())
    return [name for i, name in enumerate(classes) if i not in present]


def _remarks(train: Objects, detector: Detector, choices: Choices) -> list[str]:
    remarks = []
    for base, share in choices.anchor_shares.items():
        chosen = ', chosen' if base == choices.base_scale else ''
        remarks.append(
            f'{share:.1%} of the objects, averaged over classes, have an anchor at scale '
            f'{base}{chosen}'
        )
    side = (train.box[:, 2:] * resize_factor(train.image_size, choices.scale)[:, None]).min(axis=1)
    least, what = TINY, 'narrower than 8 pixels then: larger images, or tiles of them, would help'
    if detector.anchors is None:
        least = SPARSE
        what = 'narrower than 20 pixels then, for which FoveaBox has hardly a point: atss has'
    if (share := float((side < least).mean())) > 0.05:
        remarks.append(f'{share:.1%} of the objects are {what}')
    return remarks


def _table(rows: list[list[str]]) -> str:
    table = AsciiTable(rows)
    table.justify_columns = dict.fromkeys(range(1, len(rows[0])), 'right')
    return table.table
