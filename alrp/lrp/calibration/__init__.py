"""Whether a score says how good a detection is, and how to make it say so.

The score of a calibrated detector is the IoU that its detections have on average, where a false
positive has an IoU of 0 (Kuzucu, Oksuz et al., ECCV 2024, arXiv 2405.20459). Detections are matched
as in COCO, but any IoU above 0 is a match.
"""

from .curves import Calibration, CalibrationError, ScoreCurve, read_calibration
from .errors import NUM_BINS, CalibrationErrors, calibration_errors
from .fitting import METHODS, fit_calibration
from .matched import MatchedScores, match_scores

__all__ = [
    'METHODS',
    'NUM_BINS',
    'Calibration',
    'CalibrationError',
    'CalibrationErrors',
    'MatchedScores',
    'ScoreCurve',
    'calibration_errors',
    'fit_calibration',
    'match_scores',
    'read_calibration',
]
