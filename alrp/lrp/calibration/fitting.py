"""Fits the curves of calibrated scores to matched detections. Needs scikit-learn."""

import warnings
from collections.abc import Callable

import numpy as np

from ...text import format_list
from ..types import FloatArray
from .curves import Calibration, CalibrationError, ScoreCurve
from .matched import MatchedScores

MIN_DETECTIONS = 30  # of a class; below, a curve follows single detections
LEAST_SLOPE = 1e-4  # everywhere, so that different scores stay different
PLATT_STEPS = 32


def fit_calibration(
    matched: MatchedScores,
    method: str = 'isotonic',
    min_detections: int = MIN_DETECTIONS,
    thresholds: FloatArray | None = None,
) -> Calibration:
    """Fit one curve per class to the IoUs of the detections above a threshold.

    Below the lowest score of these detections, the curve falls to 0 at a score of 0.

    Args:
        matched (MatchedScores): Detections of K classes in validation data.
        method (str): ``isotonic``, or ``platt`` for a sigmoid of a line over the logit of the
            score, which needs fewer detections.
        min_detections (int): Classes with fewer detections share one curve, which is fitted to the
            detections of all classes. A warning lists them.
        thresholds (np.ndarray, optional): Shape (K,), float64, as in ``calibration_errors``.

    Returns:
        Calibration: A curve for each class.

    Raises:
        CalibrationError: If no class has a detection above its threshold.
        ImportError: If scikit-learn is missing.
        ValueError: If the method is unknown.
    """
    if method not in METHODS:
        raise ValueError(f'method must be one of {", ".join(METHODS)}, got {method!r}')
    thresholds = matched.optimal_thresholds() if thresholds is None else thresholds
    kept = matched.above(thresholds)
    if not len(kept.score):
        raise CalibrationError(
            'nothing to fit: no detection overlaps an object of its class. Do the annotations and '
            'the results belong together?'
        )
    counts = np.bincount(kept.category, minlength=len(matched.names))
    few = [name for name, n in zip(matched.names, counts.tolist()) if n < min_detections]
    pooled = None
    if few:
        pooled = _curve(kept.score, kept.iou, METHODS[method])
        warnings.warn(
            f'fewer than {min_detections} detections above the LRP-optimal threshold: '
            f'{format_list(few)}. The curve of {"this class" if len(few) == 1 else "these classes"}'
            f' is fitted to the {len(kept.score)} detections of all classes',
            stacklevel=2,
        )
    curves = {}
    for name in matched.labels:
        k = matched.names.index(name)
        if pooled is not None and name in few:
            curves[name] = pooled
        else:
            curves[name] = _curve(*kept.of_category(k), METHODS[method])
    about = dict(
        method=method,
        iou_type=matched.iou_type,
        num_images=matched.num_images,
        num_detections=len(kept.score),
    )
    return Calibration(curves, tuple(name for name in matched.labels if name in few), about)


def _curve(
    scores: FloatArray, ious: FloatArray, fit: Callable[[FloatArray, FloatArray], list[FloatArray]]
) -> ScoreCurve:
    """Fit a curve, extend it from 0 to 1, and make it rise everywhere."""
    x, y = fit(scores, ious)
    inside = (x > 0) & (x < 1)
    first = y[0] if x[0] == 0 else 0.0
    x, y = np.r_[0, x[inside], 1], np.r_[first, y[inside], y[-1]]
    y = (1 - LEAST_SLOPE) * np.maximum.accumulate(y) + LEAST_SLOPE * x
    # Scores that differ in their last digits only may still have the same y.
    rises = np.diff(y, prepend=-1.0) > 0
    if not rises[-1]:
        rises[np.flatnonzero(rises)[-1]] = False
        rises[-1] = True
    return ScoreCurve(x[rises], y[rises])


def _isotonic(scores: FloatArray, ious: FloatArray) -> list[FloatArray]:
    """The points of isotonic regression: the ends of its steps."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds='clip').fit(scores, ious)
    points = fitted.X_thresholds_, fitted.y_thresholds_
    return [np.asarray(values, dtype=np.float64) for values in points]


def _platt(scores: FloatArray, ious: FloatArray) -> list[FloatArray]:
    """Points on the sigmoid of a line over the logit of the score."""
    from sklearn.linear_model import LogisticRegression

    logits = _logit(scores)
    if np.ptp(logits) == 0:
        slope, shift = 0.0, float(_logit(ious.mean()))
    else:  # an IoU is the probability of a one: each detection counts as a one and as a zero
        model = LogisticRegression(C=1e6, max_iter=1000)
        ones = np.repeat([1, 0], len(ious))
        model.fit(np.tile(logits, 2)[:, None], ones, np.r_[ious, 1 - ious])
        slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
        if slope <= 0:  # the scores say nothing about the IoU
            slope, shift = 0.0, float(_logit(ious.mean()))
    grid = np.linspace(0, 1, PLATT_STEPS + 1)[1:-1]
    x = grid
    if slope > 0:  # also the scores at which the calibrated score takes these values
        x = np.union1d(grid, _sigmoid((_logit(grid) - shift) / slope))
    lowest = scores.min()
    x = np.unique(np.r_[lowest, x[(x > lowest) & (x < 1)], 1.0])
    return [x, _sigmoid(slope * _logit(x) + shift)]


def _logit(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, 1e-12, 1 - 1e-12)
    result: FloatArray = np.log(clipped) - np.log1p(-clipped)
    return result


def _sigmoid(logit: FloatArray) -> FloatArray:
    result: FloatArray = 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
    return result


METHODS = dict(isotonic=_isotonic, platt=_platt)
