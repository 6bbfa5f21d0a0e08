"""Localisation-Recall-Precision (LRP): the error of a set of detections, and the best threshold.

The LRP error (Oksuz et al., ECCV 2018, arXiv 1807.01696; TPAMI 2021, arXiv 2011.10772) counts each
false positive and each missed object as 1 and each true positive by its localisation error, and
takes the mean over all of them::

    LRP = (sum_TP (1 - IoU) / (1 - tau) + FP + FN) / (TP + FP + FN)

It is 0 for a perfect set and 1 for a useless one. Its components are errors as well:

- localisation: mean of 1 - IoU over the true positives, from 0 to 1 - tau;
- false positives: FP / (TP + FP), one minus precision;
- false negatives: FN / (TP + FN), one minus recall.

Optimal LRP (oLRP) is the lowest LRP error over the number of detections kept, best first. The score
of the last detection kept is the LRP-optimal threshold. If several detections have this score, oLRP
may keep only some of them, in the order of pycocotools, as in the published evaluation. A threshold
keeps them all; ``LRPCurve.at`` gives the error that results.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .counting import TruePositives
from .types import FloatArray, IntArray, Numbers

TAU = 0.5


class LRPError(NamedTuple):
    """LRP error and its components: numbers, or float64 arrays of the same shape.

    ``loc`` is NaN without true positives, ``fp`` without detections, ``fn`` without objects, and
    ``error`` without detections and objects.
    """

    error: Numbers
    loc: Numbers
    fp: Numbers
    fn: Numbers


class OptimalLRP(NamedTuple):
    """Optimal LRP, its components, and the threshold: numbers, or float64 arrays of the same shape.

    Without a true positive, ``olrp`` and ``olrp_fn`` are 1 and the others NaN: all thresholds are
    equally bad. Without an object LRP is undefined, and all are -1.
    """

    olrp: Numbers
    olrp_loc: Numbers
    olrp_fp: Numbers
    olrp_fn: Numbers
    lrp_opt_thr: Numbers


@dataclass(frozen=True)
class LRPCurve:
    """LRP error of the best 1, 2, ..., N detections of a class.

    Attributes:
        score (np.ndarray): Shape (N,), float64, descending.
        error (LRPError): Of all detections down to each one: arrays of shape (N,).
        num_objects (int): Objects of the class.
    """

    score: FloatArray
    error: LRPError
    num_objects: int

    def at(self, threshold: float) -> LRPError:
        """LRP error of the detections with a score of at least ``threshold``."""
        count = int((self.score >= threshold).sum())
        if count == 0:
            return _lrp(0.0, 0, 0, self.num_objects, TAU)
        return LRPError(*(values[count - 1] for values in self.error))

    def optimum(self) -> OptimalLRP:
        """The lowest LRP error, with as few detections as possible."""
        if self.num_objects == 0:
            return OptimalLRP(-1.0, -1.0, -1.0, -1.0, -1.0)
        if np.isnan(self.error.loc).all():
            return OptimalLRP(1.0, np.nan, np.nan, 1.0, np.nan)
        i = np.where(np.isnan(self.error.loc), np.inf, self.error.error).argmin()
        error, loc, fp, fn = (values[i] for values in self.error)
        return OptimalLRP(error, loc, fp, fn, self.score[i])


def lrp_error(
    ious: ArrayLike, num_false_positives: int, num_false_negatives: int, tau: float = TAU
) -> LRPError:
    """LRP error of a set of detections.

    Args:
        ious (ArrayLike): Shape (TP,), IoU of each true positive with its object, in [tau, 1].
        num_false_positives (int): Detections without an object.
        num_false_negatives (int): Objects without a detection.
        tau (float): The lowest IoU of a true positive, in [0, 1).

    Returns:
        LRPError: Four numbers.

    Raises:
        ValueError: If an IoU, a number or tau is out of range.
    """
    ious = _checked_ious(ious, tau)
    if (ious < tau).any():
        raise ValueError(f'IoUs of true positives must be at least tau = {tau}, got {ious.min()}')
    if num_false_positives < 0 or num_false_negatives < 0:
        raise ValueError(
            'num_false_positives and num_false_negatives must not be negative, got '
            f'{num_false_positives} and {num_false_negatives}'
        )
    num_objects = len(ious) + num_false_negatives
    return _lrp((1 - ious).sum(), len(ious), num_false_positives, num_objects, tau)


def lrp_curve(scores: ArrayLike, ious: ArrayLike, num_objects: int, tau: float = TAU) -> LRPCurve:
    """LRP error over the score, for one class.

    Args:
        scores (ArrayLike): Shape (N,), of the detections that count, in any order. Equal scores
            stay in input order.
        ious (ArrayLike): Shape (N,), IoU with the object for a true positive, less than tau (such
            as 0) for a false positive.
        num_objects (int): Objects of the class, at least as many as true positives.
        tau (float): The lowest IoU of a true positive, in [0, 1).

    Returns:
        LRPCurve: N points.

    Raises:
        ValueError: If shapes, IoUs, scores, numbers or tau are not as described.
    """
    scores, ious = np.asarray(scores, dtype=np.float64), _checked_ious(ious, tau)
    if scores.shape != ious.shape:
        raise ValueError(
            f'scores and ious must have the same shape, got {scores.shape} and {ious.shape}'
        )
    if not np.isfinite(scores).all():
        raise ValueError('a score is NaN or infinite')
    hit = ious >= tau
    if num_objects < hit.sum():
        raise ValueError(
            f'num_objects must be at least the number of true positives, {hit.sum()}, got '
            f'{num_objects}'
        )
    order = np.argsort(-scores, kind='stable')
    hit, loc_errors = hit[order], 1 - ious[order]
    num_tp, num_fp = hit.cumsum(), (~hit).cumsum()
    error = _lrp(np.where(hit, loc_errors, 0).cumsum(), num_tp, num_fp, num_objects, tau)
    return LRPCurve(scores[order], error, int(num_objects))


def optimal_lrp(
    hits: TruePositives,
    ious: FloatArray,
    scores: FloatArray,
    num_objects: IntArray,
    tau: float = TAU,
) -> OptimalLRP:
    """Optimal LRP of all classes in all ranges of areas.

    A false positive never lowers the LRP error, so the lowest error is at a true positive.

    Args:
        hits (TruePositives): H true positives at one threshold, tau.
        ious (np.ndarray): Shape (H,), float64, with their objects.
        scores (np.ndarray): Shape (H,), float64.
        num_objects (np.ndarray): Shape (K, A), int64, objects of K classes in A ranges.
        tau (float): The lowest IoU of a true positive, in [0, 1).

    Returns:
        OptimalLRP: Arrays of shape (K, A).
    """
    num_objects = num_objects.T.ravel()  # in the order of the segments
    starts, counts = hits.starts.ravel(), hits.counts.ravel()
    loc_errors = 1 - ious
    for start, count in zip(starts.tolist(), counts.tolist()):
        part = loc_errors[start : start + count]
        np.cumsum(part, out=part)
    lrp = _lrp(loc_errors, hits.num_tp, hits.num_fp, np.repeat(num_objects, counts), tau)

    optimum = OptimalLRP(*np.full((5, len(num_objects)), np.nan))
    optimum.olrp[:] = optimum.olrp_fn[:] = 1
    found = np.flatnonzero(counts)
    if len(found):
        lowest = np.minimum.reduceat(lrp.error, starts[found])
        candidates = np.flatnonzero(lrp.error == np.repeat(lowest, counts[found]))
        best = candidates[np.searchsorted(candidates, starts[found])]
        for values, of_hits in zip(optimum, (*lrp, scores)):
            values[found] = of_hits[best]
    for values in optimum:
        values[num_objects == 0] = -1
    return OptimalLRP(*(values.reshape(hits.counts.shape[1:]).T for values in optimum))


def mean_over_classes(values: Iterable[float]) -> float:
    """Mean of the values that are defined, which -1 and NaN are not; -1 if there is none."""
    array = np.asarray(values, dtype=np.float64)
    defined = array[array > -1]  # False for NaN
    return float(defined.mean()) if len(defined) else -1.0


def _lrp(
    total_loc_error: Numbers, num_tp: Numbers, num_fp: Numbers, num_objects: Numbers, tau: float
) -> LRPError:
    """LRP error from the sum of 1 - IoU over the true positives, and from counts."""
    with np.errstate(invalid='ignore', divide='ignore'):
        num_fn = np.subtract(num_objects, num_tp)
        total = np.float64(total_loc_error) / (1 - tau) + num_fp + num_fn
        return LRPError(
            error=total / np.add(num_objects, num_fp),
            loc=np.divide(total_loc_error, num_tp),
            fp=np.divide(num_fp, np.add(num_tp, num_fp)),
            fn=np.divide(num_fn, num_objects),
        )


def _checked_ious(ious: ArrayLike, tau: float) -> FloatArray:
    array = np.asarray(ious, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f'ious must have one dimension, got the shape {array.shape}')
    if not 0 <= tau < 1:
        raise ValueError(f'tau must be in [0, 1), got {tau}')
    wrong = array[~((array >= 0) & (array <= 1))]
    if len(wrong):
        raise ValueError(f'ious must be in [0, 1], got {wrong[0]}')
    return array
