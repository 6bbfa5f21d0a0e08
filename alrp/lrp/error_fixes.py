"""What fixing each type of error would give in AP (TIDE, Bolya et al., ECCV 2020, section 3.2).

- ``Cls`` and ``Loc``: the best such error about an object without a match becomes a true positive,
  with the right class and at its score. The others are removed.
- ``Both``, ``Dupe`` and ``Bkg`` are removed.
- ``Miss``: the objects are removed.
"""

import numpy as np

from .average_precision import average_precision
from .counting import TruePositives
from .error_types import FP_TYPES, NONE, Outcomes, claims, missed_objects
from .evaluation import Evaluation
from .types import BoolArray, FloatArray, IntArray


def ap_gains(evaluation: Evaluation, outcomes: Outcomes) -> dict[str, float]:
    """The gain in AP at an IoU of 0.5 for each type of error, at least 0; NaN without objects.

    Args:
        evaluation (Evaluation): Of K classes.
        outcomes (Outcomes): Its errors.

    Returns:
        dict[str, float]: By ``Cls``, ``Loc``, ``Both``, ``Dupe``, ``Bkg``, ``Miss``, ``FalsePos``
        and ``FalseNeg``.
    """
    matches, truth = evaluation.matches, evaluation.truth
    num_objects = matches.num_objects[:, 0]
    hit, wrong = outcomes.true_positive, outcomes.false_positive
    counted = hit | wrong
    best = claims(evaluation, outcomes, np.ones(len(hit), bool))
    winners = best[best != NONE]
    right_class = matches.category.copy()
    right_class[winners] = truth.category[best != NONE]
    wins = np.zeros(len(hit), bool)
    wins[winners] = True

    def ap(
        kept: BoolArray,
        hit: BoolArray = hit,
        category: IntArray = matches.category,
        score: FloatArray = matches.score,
        objects: IntArray = num_objects,
    ) -> float:
        values = _average_precisions(category[kept], score[kept], hit[kept], objects)
        there = objects + np.bincount(category[kept], minlength=len(objects)) > 0
        values = values[there & (num_objects > 0)]  # a class may have lost all objects
        return float(values.mean()) if len(values) else float('nan')

    fixed = {}
    for type_, name in enumerate(FP_TYPES):
        mine = outcomes.type == type_
        if name in ('Cls', 'Loc'):
            kept = counted & (~mine | wins)
            category = np.where(mine, right_class, matches.category)
            fixed[name] = ap(kept, hit | (mine & wins), category)
        else:
            fixed[name] = ap(counted & ~mine)
    missed = truth.category[missed_objects(evaluation, outcomes)]
    detected = np.bincount(matches.category[hit], minlength=len(num_objects))
    fixed['Miss'] = ap(counted, objects=num_objects - np.bincount(missed, minlength=len(detected)))
    fixed['FalsePos'] = ap(counted, score=hit.astype(np.float64))
    fixed['FalseNeg'] = ap(counted, objects=detected)
    now = ap(counted)
    return {name: float(np.maximum(value - now, 0)) for name, value in fixed.items()}


def _average_precisions(
    category: IntArray, score: FloatArray, hit: BoolArray, num_objects: IntArray
) -> FloatArray:
    """AP of each of K classes from D detections in any order: shape (K,), 0 without objects."""
    order = np.lexsort((-score, category))
    category, hit = category[order], hit[order]
    size = len(num_objects)
    counts = np.bincount(category[hit], minlength=size)
    starts = np.cumsum(counts) - counts
    of_hit = category[hit]
    position = np.flatnonzero(hit) - np.searchsorted(category, np.arange(size))[of_hit]
    num_tp = np.arange(1, len(of_hit) + 1) - starts[of_hit]
    hits = TruePositives(
        counts=counts.reshape(1, 1, size),
        starts=starts.reshape(1, 1, size),
        num_tp=num_tp,
        num_fp=position + 1 - num_tp,
        match=np.flatnonzero(hit),
    )
    precision, _ = average_precision(hits, num_objects[:, None])
    mean: FloatArray = precision[0, :, :, 0].mean(axis=0)
    return np.maximum(mean, 0)
