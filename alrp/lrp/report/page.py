"""Renders the page from its template, with styles and scripts inlined."""

import json
from collections.abc import Mapping
from importlib.resources import files

from ..bootstrap import Difference
from ..errors import Errors
from ..evaluate import Evaluation
from .content import cards, classes, columns, reliability, rounded
from .errors import error_content

REGIONS = dict(bbox=('boxes', 'box'), segm=('masks', 'mask'), keypoints=('keypoints', 'keypoints'))
PARTS = 'page.html', 'style.css', 'charts.js', 'table.js'


def make_report(
    evaluations: dict[str, Evaluation],
    ground_truth: str = '',
    errors: Errors | None = None,
    differences: Mapping[str, Difference] | None = None,
    images: str | None = None,
    folder: str = '.',
) -> str:
    """A self-contained HTML page about one or two detectors.

    Args:
        evaluations (dict[str, Evaluation]): One evaluation by name, or two on the same ground
            truth. The first is shown in full, the second in comparison.
        ground_truth (str): Name of the ground truth.
        errors (Errors, optional): The errors of the first evaluation, to show by type.
        differences (Mapping[str, Difference], optional): Of the two evaluations.
        images (str, optional): Folder of the images, to show the worst errors.
        folder (str): Folder of the report, from which it links to the images.

    Returns:
        str: HTML of about 5 MB, most of which is plotly.js.

    Raises:
        ImportError: If plotly or jinja2 is missing.
        ValueError: If there are more than two evaluations, or if two differ in their classes or
            objects, or if an image cannot be read.
    """
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    names, (first, *others) = list(evaluations), evaluations.values()
    if len(names) > 2:
        raise ValueError(f'a report compares at most two evaluations, got {len(names)}')
    for other in others:
        same = (
            other.category_ids == first.category_ids
            and str(other.task) == str(first.task)
            and other.max_dets == first.max_dets
            and (other.matches.num_objects == first.matches.num_objects).all()
        )
        if not same:
            raise ValueError(
                f'cannot compare {names[0]} and {names[1]}: they differ in ground truth, iou_type, '
                'rules or max_dets'
            )
    both = [first, *others]
    rows = classes(both)
    data = dict(
        sets=names,
        classes=[
            dict(name=row['class'], objects=row['objects'], of_sets=row['of_sets']) for row in rows
        ],
        measure=first.task.measure,
        reliability=[reliability(e) for e in both],
        sizes=dict(
            names=first.areas[1:],
            objects=first.matches.num_objects[:, 1:].sum(axis=0).tolist(),
            oLRP=[[e.summary[f'oLRP{size}'] for size in first.task.sizes] for e in both],
        ),
    )
    text = json.dumps(rounded(data), ensure_ascii=False, separators=(',', ':'), allow_nan=False)
    here = files(__package__)
    page, style, *scripts = [(here / name).read_text(encoding='utf-8') for name in PARTS]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= dict(number=_number, signed=_signed)
    section = ''
    if errors is not None:
        template = (here / 'errors.html').read_text(encoding='utf-8')
        section = environment.from_string(template).render(
            of=names[0] if others else '', **error_content(errors, images, folder)
        )
    return environment.from_string(page).render(
        errors=Markup(section),
        differences=differences,
        names=names,
        ground_truth=ground_truth,
        evaluation=first,
        task=first.task,
        regions=REGIONS[first.iou_type],
        columns=columns(first),
        num_objects=int(first.matches.num_objects[:, 0].sum()),
        num_detections=[len(e.matches.score) for e in both],
        cards=cards(both),
        classes=rows,
        style=Markup(style),
        plotly=Markup(get_plotlyjs()),
        scripts=[Markup(script) for script in scripts],
        data=Markup(text.replace('<', '\\u003c')),  # so that no class name can end the script
    )


def _number(value: float) -> str:
    return f'{value:.3f}' if value == value else '\N{EN DASH}'


def _signed(value: float) -> str:
    return f'{value:+.3f}'.replace('-', '\N{MINUS SIGN}') if value == value else '\N{EN DASH}'
