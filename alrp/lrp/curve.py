"""Localisation-Recall-Precision: how wrong a set of detections is, and where to cut it off.

The LRP error (Oksuz et al., ECCV 2018, arXiv 1807.01696; TPAMI 2021, arXiv 2011.10772) of a set of
detections counts each false positive and each missed object as 1, each true positive by how badly
it is localised, and takes the mean over all of them::

    LRP = (sum_TP (1 - IoU) / (1 - tau) + FP + FN) / (TP + FP + FN)

It is 0 for a perfect set and 1 for a useless one. Its components, each of them an error as well:

- localisation: mean of 1 - IoU over the true positives, from 0 to 1 - tau;
- false positives: FP / (TP + FP), one minus precision;
- false negatives: FN / (TP + FN), one minus recall.

Optimal LRP (oLRP) is the least LRP error of any number of detections, best first, and the score of
the last of them is the LRP-optimal threshold. Where several detections have this very score, oLRP
may be that of some of them, in the order of pycocotools, as in the published evaluation; a
threshold then lets the others in as well, and ``LRPCurve.at`` says what this costs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .counting import TruePositives

TAU = 0.5


class LRPError(NamedTuple):
    """LRP error and its components, numbers or arrays of one shape, float64.

    ``loc`` is NaN without true positives, ``fp`` without detections, ``fn`` without objects, and
    ``error`` without either.
    """

    error: np.ndarray
    loc: np.ndarray
    fp: np.ndarray
    fn: np.ndarray


class OptimalLRP(NamedTuple):
    """Least LRP error, its components, and the score threshold: arrays of one shape, float64.

    Without a true positive, ``olrp`` and ``olrp_fn`` are 1, and the others NaN: no threshold is
    better than another. All are -1 where there is no object, and LRP is undefined.
    """

    olrp: np.ndarray
    olrp_loc: np.ndarray
    olrp_fp: np.ndarray
    olrp_fn: np.ndarray
    lrp_opt_thr: np.ndarray


@dataclass(frozen=True)
class LRPCurve:
    """LRP error of the best 1, 2, ..., N detections of a class.

    Attributes:
        score (np.ndarray): Shape (N,), float64, descending.
        error (LRPError): Of all detections down to each one, in arrays of shape (N,).
        num_objects (int): Objects of the class.
    """

    score: np.ndarray
    error: LRPError
    num_objects: int

    def at(self, threshold: float) -> LRPError:
        """LRP error of all detections that score ``threshold`` or more."""
        count = int((self.score >= threshold).sum())
        if count == 0:
            return _lrp(0.0, 0, 0, self.num_objects, TAU)
        return LRPError(*(values[count - 1] for values in self.error))

    def optimum(self) -> OptimalLRP:
        """The least LRP error, of as few detections as possible."""
        if self.num_objects == 0:
            return OptimalLRP(*[-1.0] * 5)
        if np.isnan(self.error.loc).all():
            return OptimalLRP(1.0, np.nan, np.nan, 1.0, np.nan)
        i = np.where(np.isnan(self.error.loc), np.inf, self.error.error).argmin()
        return OptimalLRP(*(values[i] for values in self.error), self.score[i])


def lrp_error(
    ious: ArrayLike, num_false_positives: int, num_false_negatives: int, tau: float = TAU
) -> LRPError:
    """LRP error of a set of detections.

    Args:
        ious (ArrayLike): Shape (TP,), IoU of each true positive with its object, from tau to 1.
        num_false_positives (int): Detections without an object.
        num_false_negatives (int): Objects without a detection.
        tau (float): The IoU from which a detection is a true positive, in [0, 1).

    Returns:
        LRPError: Of four numbers.

    Raises:
        ValueError: If an IoU, a number or tau is not in its range.
    """
    ious = _checked_ious(ious, tau)
    if (ious < tau).any():
        raise ValueError(f'IoUs of true positives are from tau = {tau}, but one is {ious.min()}')
    if num_false_positives < 0 or num_false_negatives < 0:
        raise ValueError(
            'there cannot be less than 0 false positives or negatives, but there are '
            f'{num_false_positives} and {num_false_negatives}'
        )
    num_objects = len(ious) + num_false_negatives
    return _lrp((1 - ious).sum(), len(ious), num_false_positives, num_objects, tau)


def lrp_curve(scores: ArrayLike, ious: ArrayLike, num_objects: int, tau: float = TAU) -> LRPCurve:
    """LRP error over the score, for one class.

    Args:
        scores (ArrayLike): Shape (N,), of detections that count, in any order; of equal ones, the
            first comes first.
        ious (ArrayLike): Shape (N,), IoU with its object for a true positive, less than tau (say 0)
            for a false positive.
        num_objects (int): Objects of the class, at least as many as true positives.
        tau (float): The IoU from which a detection is a true positive, in [0, 1).

    Returns:
        LRPCurve: Of N points.

    Raises:
        ValueError: If shapes, IoUs, scores, numbers or tau are not as described.
    """
    scores, ious = np.asarray(scores, dtype=np.float64), _checked_ious(ious, tau)
    if scores.shape != ious.shape:
        raise ValueError(
            f'one IoU per score is needed, but scores have the shape {scores.shape} and IoUs '
            f'{ious.shape}'
        )
    if not np.isfinite(scores).all():
        raise ValueError('a score is NaN or infinite')
    hit = ious >= tau
    if num_objects < hit.sum():
        raise ValueError(f'{hit.sum()} true positives, but only {num_objects} objects')
    order = np.argsort(-scores, kind='stable')
    hit, loc_errors = hit[order], 1 - ious[order]
    num_tp, num_fp = hit.cumsum(), (~hit).cumsum()
    error = _lrp(np.where(hit, loc_errors, 0).cumsum(), num_tp, num_fp, num_objects, tau)
    return LRPCurve(scores[order], error, int(num_objects))


def optimal_lrp(
    hits: TruePositives,
    ious: np.ndarray,
    scores: np.ndarray,
    num_objects: np.ndarray,
    tau: float = TAU,
) -> OptimalLRP:
    """Optimal LRP of all classes, in all ranges of areas, at once.

    A false positive never lowers the LRP error, so that the least one is that of a true positive.

    Args:
        hits (TruePositives): H true positives at one threshold, tau.
        ious (np.ndarray): Shape (H,), float64, with their objects.
        scores (np.ndarray): Shape (H,), float64.
        num_objects (np.ndarray): Shape (K, A), int64, objects of K classes in A ranges.
        tau (float): The IoU from which a detection is a true positive, in [0, 1).

    Returns:
        OptimalLRP: Arrays of shape (K, A).
    """
    num_objects = num_objects.T.ravel()  # as the segments
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
        least = np.minimum.reduceat(lrp.error, starts[found])
        candidates = np.flatnonzero(lrp.error == np.repeat(least, counts[found]))
        best = candidates[np.searchsorted(candidates, starts[found])]
        for values, of_hits in zip(optimum, (*lrp, scores)):
            values[found] = of_hits[best]
    for values in optimum:
        values[num_objects == 0] = -1
    return OptimalLRP(*(values.reshape(hits.counts.shape[1:]).T for values in optimum))


def mean_over_classes(values: Iterable[float]) -> float:
    """Mean of the defined ones, neither -1 nor NaN; -1 if there is none."""
    values = np.asarray(values, dtype=np.float64)
    defined = values[values > -1]  # not true of NaN
    return float(defined.mean()) if len(defined) else -1.0


def _lrp(total_loc_error, num_tp, num_fp, num_objects, tau: float) -> LRPError:
    """LRP error from the summed 1 - IoU of the true positives and from counts."""
    with np.errstate(invalid='ignore', divide='ignore'):
        num_fn = np.subtract(num_objects, num_tp)
        total = np.float64(total_loc_error) / (1 - tau) + num_fp + num_fn
        return LRPError(
            error=total / np.add(num_objects, num_fp),
            loc=np.divide(total_loc_error, num_tp),
            fp=np.divide(num_fp, np.add(num_tp, num_fp)),
            fn=np.divide(num_fn, num_objects),
        )


def _checked_ious(ious: ArrayLike, tau: float) -> np.ndarray:
    ious = np.asarray(ious, dtype=np.float64)
    if ious.ndim != 1:
        raise ValueError(f'IoUs must be one-dimensional, but have the shape {ious.shape}')
    if not 0 <= tau < 1:
        raise ValueError(f'tau must be from 0 to less than 1, but is {tau}')
    if not ((ious >= 0) & (ious <= 1)).all():
        raise ValueError('IoUs must be from 0 to 1')
    return ious
