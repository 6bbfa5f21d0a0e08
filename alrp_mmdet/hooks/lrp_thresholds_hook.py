from collections.abc import Sequence

import torch
from mmdet.registry import HOOKS

from ..deploy.thresholds import (
    AppliedThresholds,
    ThresholdsError,
    apply_thresholds,
    read_thresholds,
)
from .prediction_hook import PredictionHook


@HOOKS.register_module()
class LRPThresholdsHook(PredictionHook):
    """Tests a detector at the score thresholds in a ``thresholds_file`` of ``CocoLRPMetric``.

    Everything that a test produces is based on the remaining detections: metrics, prediction files
    and visualizations (in which ``DetVisualizationHook`` still draws only scores above its own
    ``score_thr``, 0.3 by default). Training and validation use all detections, because they compare
    detectors and find the thresholds.

    A ``CocoLRPMetric`` of the test does not write its own ``thresholds_file``: after thresholding,
    it could only find higher thresholds.

    Args:
        thresholds_file (str): The file, with the classes of the test dataset. It is read when the
            test starts, so that the same run may write it.
    """

    error = ThresholdsError
    effect = 'Dropping detections below the thresholds in'

    def __init__(self, thresholds_file: str):
        super().__init__(thresholds_file)

    def apply(self, model: torch.nn.Module, classes: Sequence[str]) -> AppliedThresholds:
        """Read the thresholds and apply them to a model."""
        return apply_thresholds(model, read_thresholds(self.file, classes))
