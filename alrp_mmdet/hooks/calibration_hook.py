from collections.abc import Sequence

import torch
from mmdet.registry import HOOKS

from alrp.lrp.calibration import CalibrationError

from ..deploy.calibration import AppliedCalibration, apply_calibration, read_calibration
from .prediction_hook import PredictionHook


@HOOKS.register_module()
class CalibrationHook(PredictionHook):
    """Tests a detector with calibrated scores, by a file of ``alrp calibrate``.

    Everything that a test produces has the calibrated scores: metrics, prediction files and
    visualizations. The order of the detections of a class does not change, and so neither do AP and
    LRP. Training and validation use the scores of the model.

    With ``LRPThresholdsHook``, in any order of ``custom_hooks``, the thresholds apply first, to the
    scores of the model. A ``CocoLRPMetric`` of the test does not write its ``thresholds_file``.

    Args:
        calibration_file (str): The file, with the classes of the test dataset. It is read when the
            test starts.
    """

    error = CalibrationError
    effect = 'Calibrating scores by'

    def __init__(self, calibration_file: str):
        super().__init__(calibration_file)

    def apply(self, model: torch.nn.Module, classes: Sequence[str]) -> AppliedCalibration:
        """Read the calibration and apply it to a model."""
        return apply_calibration(model, read_calibration(self.file, classes))
