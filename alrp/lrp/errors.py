"""Why a detector errs: how much of oLRP and AP each type of error costs."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coco import describe_source
from .curve import TAU
from .error_fixes import ap_gains
from .error_types import (
    FN_TYPES,
    FP_TYPES,
    NONE,
    TYPES,
    Outcomes,
    claims,
    find_outcomes,
    missed_objects,
)
from .evaluation import Evaluation
from .inputs import Detections, Results, read_detections
from .types import FloatArray, IntArray

PARTS = dict(Box='localisation of true positives') | TYPES


@dataclass(frozen=True)
class Errors:
    """The errors of a detector by type, for K classes.

    Attributes:
        evaluation (Evaluation): The evaluation, with the order of the N detections.
        detections (Detections): The N detections, in the order of the results.
        outcomes (Outcomes): Of each detection, in the order of the evaluation.
        counts (np.ndarray): Shape (K, 6), int64, errors of all detections by ``TYPES``.
        fp (np.ndarray): Shape (K, 5), int64, false positives above the LRP-optimal thresholds, by
            ``FP_TYPES``.
        fn (np.ndarray): Shape (K, 3), int64, objects without a match there, by ``FN_TYPES``: ones
            that a ``Cls`` or ``Loc`` error above the thresholds is about, and the others.
        lrp (np.ndarray): Shape (K, 7), float64, the share of each of ``PARTS`` in oLRP. They add up
            to oLRP. NaN for a class without objects.
        confusion (np.ndarray): Shape (K + 1, K + 1), int64. Row: the class of an object, the last
            one for all other false positives: background, duplicates, poor localisation, and wrong
            classes of objects that have a better detection. Column: the class of a detection above
            the threshold, the last one for missed objects, also with a ``Loc`` error. The diagonal
            has the true positives.
        dap (dict[str, float]): How much higher AP at an IoU of 0.5 would be without the errors of
            each type, and without any false positive (``FalsePos``) or missed object
            (``FalseNeg``).
    """

    evaluation: Evaluation
    detections: Detections
    outcomes: Outcomes
    counts: IntArray
    fp: IntArray
    fn: IntArray
    lrp: FloatArray
    confusion: IntArray
    dap: dict[str, float]

    @property
    def mean_lrp(self) -> dict[str, float]:
        """The mean share of each of ``PARTS`` in oLRP, over the classes with objects."""
        defined = self.lrp[~np.isnan(self.lrp[:, 0])]
        means = defined.mean(axis=0) if len(defined) else np.full(len(PARTS), np.nan)
        return dict(zip(PARTS, means.tolist()))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the outcomes, ready for JSON: NaN becomes None."""

        def listed(values: Any) -> Any:
            if isinstance(values, list):
                return [listed(value) for value in values]
            return None if values != values else values

        return dict(
            dAP50={name: listed(value) for name, value in self.dap.items()},
            oLRP={name: listed(value) for name, value in self.mean_lrp.items()},
            per_category={
                'oLRP': dict(zip(PARTS, listed(self.lrp.T.tolist()))),
                'count': dict(zip(TYPES, self.counts.T.tolist())),
                'fp_at_threshold': dict(zip(FP_TYPES, self.fp.T.tolist())),
                'fn_at_threshold': dict(zip(FN_TYPES, self.fn.T.tolist())),
            },
            confusion_matrix=self.confusion.tolist(),
        )


def find_errors(
    evaluation: Evaluation,
    results: Results,
) -> Errors:
    """Find out the type of each error.

    Args:
        evaluation (Evaluation): The evaluation of boxes or masks.
        results (str | os.PathLike | list[dict] | dict[str, ArrayLike]): The same results: a file,
            its content, or arrays.

    Returns:
        Errors: All errors of at most ``max_dets[-1]`` detections per image and class.

    Raises:
        ValueError: If the evaluation is of keypoints, or of other results.
    """
    task, truth, matches = evaluation.task, evaluation.truth, evaluation.matches
    if task.iou_type == 'keypoints':
        raise ValueError('types of errors are defined for boxes and masks, not for keypoints')
    name = describe_source(results, 'the results')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the evaluation has warned
        detections = read_detections(results, truth, task, name)
    same = matches.order.max(initial=-1) < len(detections.score)
    if not same or not np.array_equal(detections.score[matches.order], matches.score):
        raise ValueError(f'{name}: these are not the results that were evaluated')
    outcomes = find_outcomes(evaluation, detections)
    num_categories = len(evaluation.category_ids)
    fp, fn, lrp = _parts(evaluation, outcomes)
    return Errors(
        evaluation=evaluation,
        detections=detections,
        outcomes=outcomes,
        counts=_count_all(evaluation, outcomes, num_categories),
        fp=fp,
        fn=fn,
        lrp=lrp,
        confusion=_confusion(evaluation, outcomes),
        dap=ap_gains(evaluation, outcomes),
    )


def _count(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> IntArray:
    """How often each pair of a row and a column occurs."""
    flat = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return flat.astype(np.int64).reshape(shape)


def _count_all(evaluation: Evaluation, outcomes: Outcomes, num_categories: int) -> IntArray:
    category, truth = evaluation.matches.category, evaluation.truth
    wrong = outcomes.false_positive
    of_fp = _count(category[wrong], outcomes.type[wrong], (num_categories, len(FP_TYPES)))
    missed = missed_objects(evaluation, outcomes)
    of_miss = np.bincount(truth.category[missed], minlength=num_categories)
    return np.column_stack([of_fp, of_miss])


def _parts(evaluation: Evaluation, outcomes: Outcomes) -> tuple[IntArray, IntArray, FloatArray]:
    """False positives, missed objects and the parts of oLRP at the LRP-optimal thresholds."""
    matches, truth = evaluation.matches, evaluation.truth
    num_objects = matches.num_objects[:, 0]
    size = len(num_objects)
    wrong, hit = outcomes.false_positive & outcomes.kept, outcomes.true_positive & outcomes.kept
    fp = _count(matches.category[wrong], outcomes.type[wrong], (size, len(FP_TYPES)))
    lost = outcomes.counts.copy()
    lost[outcomes.object[hit]] = False
    best = claims(evaluation, outcomes, outcomes.kept)[lost]
    to_fn = np.array([FN_TYPES.index(t) if t in FN_TYPES else NONE for t in FP_TYPES])
    of_lost = np.full(len(best), FN_TYPES.index('Miss'))
    of_lost[best != NONE] = to_fn[outcomes.type[best[best != NONE]]]
    fn = _count(truth.category[lost], of_lost, (size, len(FN_TYPES)))
    loc = np.bincount(matches.category[hit], 1 - outcomes.iou[hit], size) / (1 - TAU)
    parts = np.column_stack([loc, fp, np.zeros(size)])
    for column, name in enumerate(FN_TYPES):
        parts[:, [*PARTS].index(name)] += fn[:, column]
    with np.errstate(invalid='ignore', divide='ignore'):
        parts /= (num_objects + fp.sum(axis=1))[:, None]
    parts[num_objects == 0] = np.nan
    return fp, fn, parts


def _confusion(evaluation: Evaluation, outcomes: Outcomes) -> IntArray:
    matches, truth = evaluation.matches, evaluation.truth
    size = len(evaluation.category_ids)
    kept = outcomes.kept
    confused = kept & (outcomes.type == FP_TYPES.index('Cls'))
    best = claims(evaluation, outcomes, confused | (kept & outcomes.true_positive))
    object_class = np.full(len(kept), size)  # of each detection
    object_class[best[best != NONE]] = truth.category[best != NONE]
    hit = outcomes.true_positive & kept
    object_class[hit] = matches.category[hit]
    counted = hit | (outcomes.false_positive & kept)
    confusion = _count(object_class[counted], matches.category[counted], (size + 1, size + 1))
    lost = outcomes.counts & (best == NONE)
    lost[outcomes.object[hit]] = False
    confusion[:size, size] = np.bincount(truth.category[lost], minlength=size)
    return confusion
