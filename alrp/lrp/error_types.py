"""The type of each error, as in TIDE (Bolya et al., ECCV 2020, arXiv 2008.08115).

With the IoU of a false positive with the closest object of its class and of other classes,
t_f = 0.5 and t_b = 0.1, it is

- ``Loc``, localisation: its class from t_b to t_f;
- ``Cls``, classification: another class from t_f;
- ``Dupe``, duplicate: its class above t_f, but the object has a match with a higher score;
- ``Bkg``, background: no object above t_b;
- ``Both``, wrong in both: all others, another class between t_b and t_f.

The first of these decides. ``Miss`` is an object without a match, and without a ``Loc`` or ``Cls``
error that is about it.
"""

from typing import NamedTuple

import numpy as np

from .curve import TAU, lrp_curve
from .evaluation import Evaluation
from .inputs import Detections
from .pairs import Pairs, find_pairs
from .types import BoolArray, FloatArray, IntArray

FOREGROUND, BACKGROUND = TAU, 0.1  # t_f and t_b
TYPES = dict(
    Cls='wrong class',
    Loc='poor localisation',
    Both='wrong class and poor localisation',
    Dupe='duplicate',
    Bkg='background',
    Miss='missed',
)
FP_TYPES = [name for name in TYPES if name != 'Miss']
FN_TYPES = 'Cls', 'Loc', 'Miss'
NONE = -1  # of the types, and of objects


class Outcomes(NamedTuple):
    """What became of N detections and G objects, at an IoU of 0.5, for objects of all sizes.

    Attributes:
        true_positive (np.ndarray): Shape (N,), bool.
        false_positive (np.ndarray): Shape (N,), bool. The others are ignored.
        iou (np.ndarray): Shape (N,), float64, of true positives with their objects, else 0.
        object (np.ndarray): Shape (N,), int64, the object of a true positive or of a ``Loc``,
            ``Cls`` or ``Dupe`` error, else -1.
        type (np.ndarray): Shape (N,), int64, position in ``FP_TYPES``; -1 if not a false positive.
        kept (np.ndarray): Shape (N,), bool, is above the LRP-optimal threshold of its class.
        counts (np.ndarray): Shape (G,), bool, is an object that counts.
    """

    true_positive: BoolArray
    false_positive: BoolArray
    iou: FloatArray
    object: IntArray
    type: IntArray
    kept: BoolArray
    counts: BoolArray


def find_outcomes(evaluation: Evaluation, detections: Detections) -> Outcomes:
    """The outcomes of all detections.

    Args:
        evaluation (Evaluation): Of boxes or masks.
        detections (Detections): The detections that were evaluated.

    Returns:
        Outcomes: In the order of the evaluation.
    """
    matches, truth = evaluation.matches, evaluation.truth
    low, high = next(iter(evaluation.task.areas.values()))
    counts = (low <= truth.area) & (truth.area <= high) & ~truth.ignored
    kept = matches.rank < evaluation.max_dets[-1]
    size = len(matches.score)
    true_positive, ignored = np.zeros(size, bool), np.zeros(size, bool)
    true_positive[matches.rows] = matches.true_positive[0, 0]
    ignored[matches.rows] = matches.ignored[0, 0]
    true_positive &= kept
    false_positive = matches.in_range[0] & kept & ~true_positive & ~ignored
    iou, object_ = np.zeros(size), np.full(size, NONE)
    iou[matches.rows] = matches.iou[0]
    object_[matches.rows] = matches.object
    iou[~true_positive], object_[~true_positive] = 0, NONE
    type_ = np.full(size, NONE)
    found = np.flatnonzero(false_positive)
    type_[found], object_[found] = _types(evaluation, detections, found, counts)
    return Outcomes(
        true_positive,
        false_positive,
        iou,
        object_,
        type_,
        _kept(evaluation, true_positive | false_positive, iou),
        counts,
    )


def _types(
    evaluation: Evaluation, detections: Detections, found: IntArray, counts: BoolArray
) -> tuple[IntArray, IntArray]:
    """The type of each of F false positives, and the object that it is about: shapes (F,)."""
    matches, truth = evaluation.matches, evaluation.truth
    by_image = np.argsort(matches.image[found], kind='stable')
    objects = np.flatnonzero(counts)
    objects = objects[np.argsort(truth.image[objects], kind='stable')]
    pairs = find_pairs(
        detections.regions,
        matches.order[found[by_image]],
        matches.image[found[by_image]],
        truth.regions,
        objects,
        truth.image[objects],
        np.zeros(len(objects), bool),
        BACKGROUND,
    )
    pairs = Pairs(by_image[pairs.detection], objects[pairs.object], pairs.iou)
    same = matches.category[found[pairs.detection]] == truth.category[pairs.object]
    right, right_object = _closest(pairs, same, len(found))
    wrong, wrong_object = _closest(pairs, ~same, len(found))
    conditions = dict(
        Loc=(right >= BACKGROUND) & (right <= FOREGROUND),
        Cls=wrong >= FOREGROUND,
        Dupe=right > FOREGROUND,
        Bkg=np.maximum(right, wrong) <= BACKGROUND,
    )
    type_ = np.select(
        [*conditions.values()], [*map(FP_TYPES.index, conditions)], FP_TYPES.index('Both')
    )
    about = np.select(
        [type_ == FP_TYPES.index('Cls'), np.isin(type_, [*map(FP_TYPES.index, ('Loc', 'Dupe'))])],
        [wrong_object, right_object],
        NONE,
    )
    return type_, about


def _closest(pairs: Pairs, wanted: BoolArray, size: int) -> tuple[FloatArray, IntArray]:
    """The highest IoU of each detection over the wanted pairs, and its first object."""
    detection, object_, iou = (values[wanted] for values in pairs)
    order = np.lexsort((-object_, iou))  # the best one is written last
    best, closest = np.zeros(size), np.full(size, NONE)
    best[detection[order]] = iou[order]
    closest[detection[order]] = object_[order]
    return best, closest


def _kept(evaluation: Evaluation, counted: BoolArray, iou: FloatArray) -> BoolArray:
    """Whether each detection is among those that give the lowest LRP error: shape (N,)."""
    matches = evaluation.matches
    kept = np.zeros(len(counted), bool)
    bounds = np.searchsorted(matches.category, np.arange(len(matches.num_objects) + 1))
    for k, num_objects in enumerate(matches.num_objects[:, 0].tolist()):
        mine = bounds[k] + np.flatnonzero(counted[bounds[k] : bounds[k + 1]])
        error = lrp_curve(matches.score[mine], iou[mine], num_objects).error
        if num_objects and not np.isnan(error.loc).all():
            best = np.where(np.isnan(error.loc), np.inf, error.error).argmin()
            kept[mine[: best + 1]] = True
    return kept


def claims(evaluation: Evaluation, outcomes: Outcomes, taking_part: BoolArray) -> IntArray:
    """For each object without a match, the best error that is about it.

    Args:
        evaluation (Evaluation): Of N detections.
        outcomes (Outcomes): Of them, and G objects.
        taking_part (np.ndarray): Shape (N,), bool, the detections that there are.

    Returns:
        np.ndarray: Shape (G,), int64, the ``Cls`` or ``Loc`` error with the highest score; -1
        without one.
    """
    matches = evaluation.matches
    free = outcomes.counts.copy()
    free[outcomes.object[outcomes.true_positive & taking_part]] = False
    about = np.isin(outcomes.type, [FP_TYPES.index('Cls'), FP_TYPES.index('Loc')]) & taking_part
    about[about] = free[outcomes.object[about]]
    found = np.flatnonzero(about)
    found = found[np.lexsort((matches.order[found], -matches.score[found]))]
    best = np.full(len(free), NONE)
    best[outcomes.object[found][::-1]] = found[::-1]  # the first one is written last
    return best


def missed_objects(evaluation: Evaluation, outcomes: Outcomes) -> BoolArray:
    """Whether each object is a ``Miss``, with all detections: shape (G,)."""
    missed: BoolArray = claims(evaluation, outcomes, np.ones(len(outcomes.type), bool)) == NONE
    missed &= outcomes.counts
    missed[outcomes.object[outcomes.true_positive]] = False
    return missed
