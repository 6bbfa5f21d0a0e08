"""Results by class: the table, and the file of LRP-optimal score thresholds."""

import json
from typing import Any

import numpy as np

from .by_class import check_unique
from .curve import TAU
from .evaluation import Evaluation
from .sorted_rows import sorted_rows
from .summary import average_precisions, defined, lrp_means
from .tasks import AT_THRESHOLD

COMPARED = 'other_oLRP', 'difference'


def class_table(evaluation: Evaluation, lrp_max_dets: int | None = None) -> list[dict[str, Any]]:
    """One row per class, by ascending id. NaN means undefined.

    Args:
        evaluation (Evaluation): Of K classes.
        lrp_max_dets (int, optional): The limit on detections for LRP, one of ``max_dets``. AP is
            always at the largest, which is also the default.

    Returns:
        list[dict]: K rows of ``id``, ``class``, ``objects``, ``detections``, the numbers of AP
        (``AP``, ..., ``AP_l``), the numbers of LRP (``oLRP``, ..., ``oLRP_l``), ``threshold``, the
        LRP-optimal score threshold, and ``precision``, ``recall`` and ``F1`` at the threshold. LVIS
        has ``frequency``, too.
    """
    lrp = evaluation.lrp[evaluation.max_dets[-1] if lrp_max_dets is None else lrp_max_dets]
    matches = evaluation.matches
    starts = np.searchsorted(matches.category, np.arange(len(evaluation.category_ids) + 1))
    rows = []
    for k, (category_id, name) in enumerate(
        zip(evaluation.category_ids, evaluation.category_names)
    ):
        values: dict[str, Any] = average_precisions(
            evaluation.precision[:, :, k, :, -1], evaluation.iou_thresholds, evaluation.task
        )
        values |= zip(evaluation.task.lrp_columns, (*(v[k, 0] for v in lrp[:4]), *lrp.olrp[k, 1:]))
        values['threshold'] = lrp.lrp_opt_thr[k, 0]
        values |= at_threshold(lrp.olrp_fp[k, 0], lrp.olrp_fn[k, 0])
        rows.append(
            {
                'id': category_id,
                'class': name,
                **({'frequency': evaluation.groups[k]} if evaluation.groups else {}),
                'objects': int(matches.num_objects[k, 0]),
                'detections': int(starts[k + 1] - starts[k]),
                **{key: defined(x) for key, x in values.items()},
            }
        )
    return rows


def class_rows(evaluations: list[Evaluation], sort: str = 'oLRP') -> list[dict[str, Any]]:
    """The class table, worst first by a column, undefined values last.

    Args:
        evaluations (list[Evaluation]): One, or two on the same ground truth.
        sort (str): A column, or with two evaluations one of ``COMPARED``.

    Returns:
        list[dict]: Rows of the first. With two evaluations also ``other_oLRP`` and ``difference``,
        the second minus the first.
    """
    ascending = sort.startswith(('class', 'frequency', 'AP', *AT_THRESHOLD))
    return sorted_rows([*map(class_table, evaluations)], 'oLRP', sort, ascending)


def at_threshold(olrp_fp: float, olrp_fn: float) -> dict[str, float]:
    """Precision, recall and F1 of a class at its LRP-optimal threshold.

    Args:
        olrp_fp (float): 1 - precision, NaN without true positives, -1 without objects.
        olrp_fn (float): 1 - recall, -1 without objects.

    Returns:
        dict[str, float]: ``precision``, ``recall`` and ``F1``, -1 without objects. Without true
        positives, precision is NaN, and recall and F1 are 0.
    """
    if olrp_fn == -1:
        return dict.fromkeys(AT_THRESHOLD, -1.0)
    precision, recall = 1 - olrp_fp, 1 - olrp_fn
    f1 = 2 * precision * recall / (precision + recall) if recall > 0 else 0.0
    return dict(zip(AT_THRESHOLD, (precision, recall, f1)))


def thresholds_json(
    evaluation: Evaluation, ann_file: str | None, max_dets: int | None = None
) -> str:
    """The file of the LRP-optimal score threshold of each class.

    ``thresholds`` has them by class name in the order of labels, null where undefined. The other
    keys say what they were computed on.

    Args:
        evaluation (Evaluation): Of K classes.
        ann_file (str, optional): The annotation file, stored in the file.
        max_dets (int, optional): The limit on detections, one of ``max_dets``. Defaults to the
            largest.

    Returns:
        str: JSON.

    Raises:
        ValueError: If two classes share a name.
    """
    max_dets = evaluation.max_dets[-1] if max_dets is None else max_dets
    lrp, matches = evaluation.lrp[max_dets], evaluation.matches
    thresholds: dict[str, float | None] = {}
    check_unique(evaluation.category_names, 'thresholds')
    for category_id in evaluation.labels:
        k = evaluation.category_ids.index(category_id)
        threshold = float(lrp.lrp_opt_thr[k, 0])
        # NaN without a true positive, -1 without an object.
        thresholds[evaluation.category_names[k]] = threshold if threshold >= 0 else None
    content = dict(
        thresholds=thresholds,
        iou_type=evaluation.iou_type,
        tau=TAU,
        max_dets=max_dets,
        oLRP=lrp_means(lrp)['oLRP'],
        ann_file=ann_file,
        num_images=evaluation.num_images,
        num_objects=int(matches.num_objects[:, 0].sum()),
        num_detections=len(matches.score),
    )
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + '\n'
