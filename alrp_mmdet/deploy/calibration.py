"""Run a detector with calibrated scores: 0.5 then means the same for all classes."""

import logging
import os
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from alrp.lrp.calibration import Calibration
from alrp.lrp.calibration import read_calibration as read_file
from alrp.text import format_list

from .prediction_steps import PredictionStep


def read_calibration(path: str | os.PathLike, classes: Sequence[str]) -> Calibration:
    """Read a file of ``alrp calibrate``.

    Classes are matched by name. A warning lists the classes that share the curve of all classes,
    because they had too few detections.

    Args:
        path (str | os.PathLike): The file.
        classes (Sequence[str]): Class names in the order of the model's labels.

    Returns:
        Calibration: The curve of each class.

    Raises:
        FileNotFoundError: If the file does not exist.
        CalibrationError: If the file is malformed, or has other classes.
    """
    calibration = read_file(path).for_classes(classes, str(path))
    pooled = calibration.pooled
    if pooled:
        print_log(
            f'{path}: too few detections to calibrate {format_list(pooled)}: using the curve of '
            'all classes',
            logger='current',
            level=logging.WARNING,
        )
    return calibration


def apply_calibration(
    model: torch.nn.Module, calibration: Calibration, score_thr: float = 0.0
) -> 'AppliedCalibration':
    """Make a model predict calibrated scores. Applies where ``apply_thresholds`` does.

    Thresholds of ``apply_thresholds`` are compared with the scores before calibration, regardless
    of which is applied first. Within a class, the order of the detections never changes; between
    classes it does. Scores become float64, because float32 cannot hold their small differences;
    on devices without float64 (Apple GPUs) they stay float32.

    Args:
        model (torch.nn.Module): A detector of MMDetection, or a wrapper of one.
        calibration (Calibration): With the classes of the model in the order of labels.
        score_thr (float): Drop detections with a lower calibrated score. Defaults to 0.

    Returns:
        AppliedCalibration: Removes the calibration with ``remove()``, or at the end of a ``with``
        block.

    Raises:
        TypeError: If the model is not a detector of MMDetection.
    """
    return AppliedCalibration(model, calibration, score_thr)


class AppliedCalibration(PredictionStep):
    """The calibration of a model, until it is removed."""

    order = 1

    def __init__(self, model: torch.nn.Module, calibration: Calibration, score_thr: float = 0.0):
        self.calibration, self.score_thr = calibration, score_thr
        super().__init__(model)

    def process(self, found: InstanceData) -> InstanceData:
        scores, labels = found.scores.detach().cpu().double(), found.labels.cpu()
        calibrated = self.calibration.apply(
            scores.numpy(), labels.numpy(), list(self.calibration.curves)
        )
        scores = torch.from_numpy(calibrated)
        keep = (scores >= self.score_thr).nonzero().squeeze(1)
        if found.scores.device.type == 'mps':
            scores = scores.float()
        found.scores = scores.to(found.scores.device)
        order = keep[scores[keep].argsort(descending=True, stable=True)]
        return found[order.to(found.scores.device)]
