"""The report about boxes, masks or keypoints."""

import json
from collections.abc import Mapping
from typing import Any

from ..bootstrap import Difference, check_comparable
from ..errors import Errors
from ..evaluation import Evaluation
from .content import cards, classes, columns, reliability, rounded
from .errors import error_content
from .frame import check_number, render

REGIONS = dict(bbox=('boxes', 'box'), segm=('masks', 'mask'), keypoints=('keypoints', 'keypoints'))
SCRIPTS = 'charts.js', 'table.js'


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
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    check_number(evaluations)
    names, (first, *others) = list(evaluations), evaluations.values()
    for other in others:
        check_comparable(first, other)
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
    section: dict[str, Any] = {}
    if errors is not None:
        section = dict(of=names[0] if others else '', **error_content(errors, images, folder))
    return render(
        'page.html',
        evaluations,
        SCRIPTS,
        differences=differences,
        ground_truth=ground_truth,
        task=first.task,
        regions=REGIONS[first.iou_type],
        columns=columns(first),
        num_objects=int(first.matches.num_objects[:, 0].sum()),
        num_predictions=[len(e.matches.score) for e in both],
        cards=cards(both),
        classes=rows,
        plotly=Markup(get_plotlyjs()),
        data=Markup(text.replace('<', '\\u003c')),  # so that no class name can end the script
        **section,
    )
