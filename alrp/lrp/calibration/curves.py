"""Calibrated scores: a rising curve for each class, and the file that stores them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..by_class import check_classes, is_number, read_by_class
from ..types import FloatArray

VERSION = 1  # of the file
KEYS = 'scores', 'calibrated'


class CalibrationError(ValueError):
    """A calibration file is malformed or has other classes, or there is nothing to fit."""


@dataclass(frozen=True)
class ScoreCurve:
    """The calibrated score as a function of the score: straight lines between points.

    It rises strictly, so that the order of the detections of a class never changes.

    Attributes:
        scores (np.ndarray): Shape (P,), float64, strictly ascending, from 0 to 1. P >= 2.
        calibrated (np.ndarray): Shape (P,), float64, strictly ascending, in [0, 1].
    """

    scores: FloatArray
    calibrated: FloatArray

    def __post_init__(self) -> None:
        problem = _problem(self.scores, self.calibrated)
        if problem is not None:
            raise CalibrationError(problem)

    def __call__(self, scores: ArrayLike) -> FloatArray:
        """Calibrate scores.

        Args:
            scores (ArrayLike): Of any shape; scores outside [0, 1] count as 0 or 1.

        Returns:
            np.ndarray: Same shape, float64. A float32 cannot hold small differences between scores,
            and equal scores would change AP.
        """
        x = np.clip(np.asarray(scores, dtype=np.float64), 0, 1)
        i = np.clip(np.searchsorted(self.scores, x, side='right') - 1, 0, len(self.scores) - 2)
        start, end = self.calibrated[i], self.calibrated[i + 1]
        share = (x - self.scores[i]) / (self.scores[i + 1] - self.scores[i])
        # Rounding may exceed the end, where the next line starts.
        result: FloatArray = np.minimum(start + (end - start) * share, end)
        return result


@dataclass(frozen=True)
class Calibration:
    """The curves of a detector.

    Attributes:
        curves (Mapping[str, ScoreCurve]): By class name, in the order of labels.
        pooled (tuple[str, ...]): Classes with too few detections, which share a curve.
        about (Mapping[str, Any]): Method and data of the fit, for the file.
    """

    curves: Mapping[str, ScoreCurve]
    pooled: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, scores: ArrayLike, labels: ArrayLike, classes: Sequence[str]) -> FloatArray:
        """Calibrate the scores of N detections.

        Args:
            scores (ArrayLike): Shape (N,).
            labels (ArrayLike): Shape (N,), integers, positions in ``classes``.
            classes (Sequence[str]): Class names.

        Returns:
            np.ndarray: Shape (N,), float64.
        """
        scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
        result = np.empty(scores.shape)
        for label in np.unique(labels).tolist():
            mine = labels == label
            result[mine] = self.curves[classes[label]](scores[mine])
        return result

    def for_classes(self, classes: Sequence[str], where: str = 'the calibration') -> 'Calibration':
        """Check that the curves are for these classes, and put them into this order.

        Raises:
            CalibrationError: If a class has no curve, or a curve has no class.
        """
        check_classes(self.curves, classes, 'curve', where, CalibrationError)
        return Calibration({name: self.curves[name] for name in classes}, self.pooled, self.about)

    def to_json(self) -> str:
        """The text of the file."""
        classes = {
            name: dict(
                scores=curve.scores.tolist(),
                calibrated=curve.calibrated.tolist(),
                pooled=name in self.pooled,
            )
            for name, curve in self.curves.items()
        }
        head = json.dumps(
            dict(version=VERSION, **self.about), indent=2, ensure_ascii=False, allow_nan=False
        )
        # One line per class, because a number per line is hard to read.
        lines = [
            f'    {json.dumps(name, ensure_ascii=False)}: {json.dumps(entry, allow_nan=False)}'
            for name, entry in classes.items()
        ]
        return head[:-2] + ',\n  "calibration": {\n' + ',\n'.join(lines) + '\n  }\n}\n'


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read a file that ``alrp calibrate`` wrote.

    Raises:
        FileNotFoundError: If the file does not exist.
        CalibrationError: If the file is malformed.
    """
    expected = 'curves. Make a calibration file with alrp calibrate'
    content = read_by_class(path, 'calibration', expected, CalibrationError)
    by_class = content['calibration']
    if content.get('version') != VERSION:
        raise CalibrationError(
            f'{path} has the version {content.get("version")!r}, expected {VERSION}: make it again '
            'with alrp calibrate'
        )
    curves = {name: _read_curve(entry, f'{path}: class {name}') for name, entry in by_class.items()}
    pooled = tuple(name for name, entry in by_class.items() if entry.get('pooled'))
    about = {key: x for key, x in content.items() if key not in ('version', 'calibration')}
    return Calibration(curves, pooled, about)


def _read_curve(entry: object, where: str) -> ScoreCurve:
    columns = []
    for key in KEYS:
        values = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(values, list):
            raise CalibrationError(f'{where}: {key!r} must be a list of numbers, got {values!r}')
        wrong = [x for x in values if not is_number(x)]
        if wrong:
            raise CalibrationError(f'{where}: {key!r} has {wrong[0]!r:.80}, not a finite number')
        columns.append(np.array(values, dtype=np.float64))
    try:
        return ScoreCurve(*columns)
    except CalibrationError as error:
        raise CalibrationError(f'{where}: {error}') from None


def _problem(scores: FloatArray, calibrated: FloatArray) -> str | None:
    """What is wrong with the points of a curve, or None."""
    if scores.ndim != 1 or scores.shape != calibrated.shape or len(scores) < 2:
        return (
            "'scores' and 'calibrated' must have the same number of points, at least 2, got "
            f'{scores.size} and {calibrated.size}'
        )
    for key, values in zip(KEYS, (scores, calibrated)):
        if not ((values >= 0) & (values <= 1)).all():
            return f'{key!r} must be in [0, 1], got {values[~((values >= 0) & (values <= 1))][0]}'
        if not (np.diff(values) > 0).all():
            i = int(np.argmin(np.diff(values)))
            return f'{key!r} must rise, got {values[i]} and then {values[i + 1]}'
    if scores[0] != 0 or scores[-1] != 1:
        return f"'scores' must range from 0 to 1, got {scores[0]} to {scores[-1]}"
    return None
