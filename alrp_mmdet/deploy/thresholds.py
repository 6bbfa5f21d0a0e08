"""Run a detector at a score threshold per class, such as the LRP-optimal thresholds.

Thresholds are applied to the final predictions of a model, so that they work with any detector of
MMDetection.
"""

import logging
import math
import os
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from alrp.lrp.by_class import check_classes, is_number, read_by_class
from alrp.text import format_list

from .prediction_steps import PredictionStep, unwrapped


class ThresholdsError(ValueError):
    """A file of thresholds is malformed or has other classes."""


def read_thresholds(path: str | os.PathLike, classes: Sequence[str]) -> torch.Tensor:
    """Read a ``thresholds_file`` of ``CocoLRPMetric``.

    Classes are matched by name. The threshold of a class is null if the class had no objects or no
    true positives when the file was written. It is read as infinity, which drops all detections of
    the class, and a warning lists the class.

    Args:
        path (str | os.PathLike): The file.
        classes (Sequence[str]): Class names in the order of the model's labels. For a model from
            ``init_detector``, ``model.dataset_meta['classes']``.

    Returns:
        torch.Tensor: Shape (C,), float32, the minimum score of each class.

    Raises:
        FileNotFoundError: If the file does not exist.
        ThresholdsError: If the file is malformed, or has other classes.
    """
    by_class = _read(path)
    check_classes(by_class, classes, 'threshold', str(path), ThresholdsError)
    undefined = [name for name in classes if by_class[name] is None]
    if undefined:
        print_log(
            f'the threshold of {format_list(undefined, len(undefined))} in {path} is null (no '
            'objects, or no true positives): dropping all detections of these classes',
            logger='current',
            level=logging.WARNING,
        )
    values = [math.inf if by_class[name] is None else by_class[name] for name in classes]
    return torch.tensor(values, dtype=torch.float32)


def apply_thresholds(
    model: torch.nn.Module, thresholds: torch.Tensor | Sequence[float]
) -> 'AppliedThresholds':
    """Make a model drop detections that score below the threshold of their class.

    Applies to ``test_step`` and ``forward(..., mode='predict')``, and therefore to
    ``inference_detector``, ``DetInferencer`` and tests of a runner. All fields of a detection, such
    as its mask, are dropped. With test-time augmentation, thresholds apply to the merged
    detections. Training, the state dict and ``mode='tensor'`` do not change. Calling it again
    replaces the thresholds.

    Args:
        model (torch.nn.Module): A detector of MMDetection, or a wrapper for distributed training or
            test-time augmentation.
        thresholds (torch.Tensor | Sequence[float]): Shape (C,), the minimum score of each class in
            the order of labels.

    Returns:
        AppliedThresholds: Removes the thresholds with ``remove()``, or at the end of a ``with``
        block.

    Raises:
        TypeError: If the model is not a detector of MMDetection.
        ValueError: If the thresholds are not one-dimensional, or have a NaN.
    """
    unwrapped(model)
    thresholds = torch.as_tensor(thresholds, dtype=torch.float32)
    if thresholds.dim() != 1 or thresholds.isnan().any():
        raise ValueError(f'expected one threshold per class, got {thresholds.tolist()!s:.80}')
    return AppliedThresholds(model, thresholds)


class AppliedThresholds(PredictionStep):
    """The thresholds of a model, until they are removed."""

    order = 0

    def __init__(self, model: torch.nn.Module, thresholds: torch.Tensor):
        self.thresholds = thresholds
        super().__init__(model)

    def process(self, found: InstanceData) -> InstanceData:
        self.thresholds = self.thresholds.to(found.scores.device)
        keep = found.scores >= self.thresholds[found.labels]
        # With indices the device synchronises once, with a mask once for each field.
        return found[keep.nonzero().squeeze(1)]


def _read(path: str | os.PathLike) -> dict[str, float | None]:
    """Read and check a file of thresholds."""
    expected = 'numbers, as in a thresholds_file of CocoLRPMetric'
    by_class = read_by_class(path, 'thresholds', expected, ThresholdsError)['thresholds']
    for name, value in by_class.items():
        if value is not None and not is_number(value):
            raise ThresholdsError(
                f'{path}: the threshold of {name} must be a number or null, got {value!r}'
            )
    return by_class
