"""The report about panoptic segmentation."""

from importlib.resources import files
from typing import Any

from ..curve import TAU
from ..panoptic import PanopticEvaluation
from ..panoptic.table import class_rows
from .page import _number, _signed

PARTS = 'panoptic.html', 'style.css', 'table.js'
CARDS = {  # by title: the leading value, and what to call the others
    'Localisation, recall, precision': {
        'LRP': 'LRP error',
        'LRP_loc': 'localisation',
        'LRP_fp': 'false positives',
        'LRP_fn': 'missed objects',
    },
    'Panoptic quality': {
        'PQ': 'Panoptic quality',
        'SQ': 'segmentation quality',
        'RQ': 'recognition quality',
    },
}


def make_panoptic_report(evaluations: dict[str, PanopticEvaluation], ground_truth: str = '') -> str:
    """A self-contained HTML page about one or two panoptic results.

    Args:
        evaluations (dict[str, PanopticEvaluation]): One evaluation by name, or two on the same
            ground truth. The first is shown in full, the second in comparison.
        ground_truth (str): Name of the ground truth.

    Returns:
        str: HTML.

    Raises:
        ImportError: If jinja2 is missing.
        ValueError: If there are more than two evaluations, or if two differ in their ground truth.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    names, (first, *others) = list(evaluations), evaluations.values()
    if len(names) > 2:
        raise ValueError(f'a report compares at most two evaluations, got {len(names)}')
    for other in others:
        if (
            other.category_ids != first.category_ids
            or (other.num_objects != first.num_objects).any()
        ):
            raise ValueError(
                f'cannot compare {names[0]} and {names[1]}: they differ in ground truth'
            )
    here = files(__package__)
    page, style, script = [(here / name).read_text(encoding='utf-8') for name in PARTS]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= dict(number=_number, signed=_signed)
    both = [first, *others]
    rows = class_rows(both)
    for row in rows:
        row['parts'] = _parts(first, first.category_ids.index(row['id']))
    return environment.from_string(page).render(
        names=names,
        ground_truth=ground_truth,
        evaluation=first,
        num_objects=int(first.num_objects.sum()),
        num_predictions=[int(e.num_predictions.sum()) for e in both],
        cards=[_card(title, keys, both) for title, keys in CARDS.items()],
        classes=rows,
        style=Markup(style),
        script=Markup(script),
    )


def _card(title: str, keys: dict[str, str], both: list[PanopticEvaluation]) -> dict[str, Any]:
    summaries = [evaluation.summary for evaluation in both]
    rows = [
        dict(
            key=key,
            name=name,
            groups=[[summary[group][key] for summary in summaries] for group in summaries[0]],
        )
        for key, name in keys.items()
    ]
    return dict(title=title, lower_is_better='LRP' in keys, rows=rows)


def _parts(evaluation: PanopticEvaluation, k: int) -> list[float]:
    """Localisation, false positives and missed objects, in per cent. They add up to LRP."""
    tp, fp, fn, iou_sum = (values[k] for values in evaluation.counts)
    parts = float(tp - iou_sum) / (1 - TAU), float(fp), float(fn)
    return [100 * part / max(tp + fp + fn, 1) for part in parts]
