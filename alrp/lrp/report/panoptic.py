"""The report about panoptic segmentation."""

from collections.abc import Mapping
from typing import Any

from ..bootstrap import Difference, check_comparable
from ..curve import TAU
from ..panoptic import PanopticEvaluation
from ..panoptic.table import class_rows
from .frame import check_number, render

CARDS = {  # by title: the leading value, and what to call the others
    'Localisation, recall, precision': {
        'LRP': 'LRP error',
        'LRP_loc': '1 \N{MINUS SIGN} IoU',
        'LRP_fp': '1 \N{MINUS SIGN} precision',
        'LRP_fn': '1 \N{MINUS SIGN} recall',
    },
    'Panoptic quality': {
        'PQ': 'Panoptic quality',
        'SQ': 'segmentation quality',
        'RQ': 'recognition quality',
    },
}


def make_panoptic_report(
    evaluations: dict[str, PanopticEvaluation],
    ground_truth: str = '',
    differences: Mapping[str, Difference] | None = None,
) -> str:
    """A self-contained HTML page about one or two panoptic results.

    Args:
        evaluations (dict[str, PanopticEvaluation]): One evaluation by name, or two on the same
            ground truth. The first is shown in full, the second in comparison.
        ground_truth (str): Name of the ground truth.
        differences (Mapping[str, Difference], optional): Of the two evaluations.

    Returns:
        str: HTML.

    Raises:
        ImportError: If jinja2 is missing.
        ValueError: If there are more than two evaluations, or if two differ in their ground truth.
    """
    check_number(evaluations)
    first, *others = evaluations.values()
    for other in others:
        check_comparable(first, other)
    both = [first, *others]
    rows = class_rows(both)
    for row in rows:
        row['parts'] = _parts(first, first.category_ids.index(row['id']))
    return render(
        'panoptic.html',
        evaluations,
        ['table.js'],
        differences=differences,
        ground_truth=ground_truth,
        num_objects=int(first.num_objects.sum()),
        num_predictions=[int(e.num_predictions.sum()) for e in both],
        cards=[_card(title, keys, both) for title, keys in CARDS.items()],
        classes=rows,
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
