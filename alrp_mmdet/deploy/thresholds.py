"""A detector run at a score threshold for each class, such as the LRP-optimal ones.

Which detections are final is a detector's last word, so that they are cut off behind it: any model
that MMDetection can evaluate will do, whatever its heads.
"""

import json
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from mmengine.model import BaseModel, BaseTTAModel, is_model_wrapper

from alrp.text import format_list


class ThresholdsError(ValueError):
    """A file of thresholds is malformed, or it is not for these classes; says what is wrong."""


def read_thresholds(path: str | os.PathLike, classes: Sequence[str]) -> torch.Tensor:
    """Read a ``thresholds_file`` of ``CocoLRPMetric``.

    Classes are found by their names, in whatever order the file has them. A class whose threshold
    is null was never detected rightly, or had no objects, when the file was written: its threshold
    is infinite, which no detection reaches, and a warning names it.

    Args:
        path (str | os.PathLike): The file.
        classes (Sequence[str]): Names of the classes, in the order of the model's labels: for a
            model of ``init_detector``, ``model.dataset_meta['classes']``.

    Returns:
        torch.Tensor: Shape (C,), float32, the least score of each class.

    Raises:
        FileNotFoundError: If there is no such file.
        ThresholdsError: If the file is malformed, or if its classes are not these classes.
    """
    by_class = _read(path)
    unknown = [name for name in by_class if name not in classes]
    missing = [name for name in classes if name not in by_class]
    problems = [f'it has no threshold for {format_list(missing)}'] if missing else []
    if unknown:
        problems.append(f'the model has no class {format_list(unknown)}')
    if problems:
        raise ThresholdsError(f'{path} is not for this model: {", and ".join(problems)}')
    undefined = [name for name in classes if by_class[name] is None]
    if undefined:
        print_log(
            f'{path} has no threshold for {format_list(undefined, len(undefined))} (null: never detected '
            'rightly, or without objects): all detections of such classes are dropped',
            logger='current',
            level=logging.WARNING,
        )
    values = [math.inf if by_class[name] is None else by_class[name] for name in classes]
    return torch.tensor(values, dtype=torch.float32)


def apply_thresholds(
    model: torch.nn.Module, thresholds: torch.Tensor | Sequence[float]
) -> 'AppliedThresholds':
    """Make a model predict, from now on, only what scores its class's threshold or more.

    Holds for ``test_step`` and ``forward(..., mode='predict')``, and so for ``inference_detector``,
    ``DetInferencer`` and a runner's test. Whatever belongs to a detection, such as a mask, goes
    with it. With test-time augmentation, detections are cut off when views have been merged.
    Training, state dict and ``mode='tensor'`` stay as they are. Thresholds that are applied later
    replace these.

    Args:
        model (torch.nn.Module): A detector of MMDetection, or a wrapper of one, for several
            processes or for test-time augmentation.
        thresholds (torch.Tensor | Sequence[float]): Shape (C,), the least score of each class, in
            the order of labels.

    Returns:
        AppliedThresholds: Its ``remove()`` undoes it, and so does the end of a ``with`` on it.

    Raises:
        TypeError: If the model is none of these.
        ValueError: If the thresholds have another shape, or NaN among them.
    """
    while is_model_wrapper(model):
        model = model.module
    if not isinstance(model, BaseModel):
        raise TypeError(
            f'thresholds apply to a detector of MMDetection, but this is a {type(model).__name__}'
        )
    thresholds = torch.as_tensor(thresholds, dtype=torch.float32)
    if thresholds.dim() != 1 or thresholds.isnan().any():
        raise ValueError(
            f'thresholds must be one number per class, but are {thresholds.tolist()!s:.80}'
        )
    return AppliedThresholds(model, thresholds)


class AppliedThresholds:
    """What ``apply_thresholds`` did to a model, until it is undone."""

    def __init__(self, model: BaseModel, thresholds: torch.Tensor):
        earlier = vars(model).get('applied_thresholds')
        if earlier is not None:
            earlier.remove()
        self.model, self.thresholds = model, thresholds
        if isinstance(model, BaseTTAModel):  # whose forward is never called
            self._hook, self._merge = None, model.merge_preds
            model.merge_preds = self._merge_and_cut_off
        else:
            self._hook = model.register_forward_hook(self._after_forward, with_kwargs=True)
        model.applied_thresholds = self

    def remove(self) -> None:
        """Let the model predict again what it did before. Nothing if that was done already."""
        if vars(self.model).get('applied_thresholds') is not self:
            return
        del self.model.applied_thresholds
        if self._hook is None:
            del self.model.merge_preds
        else:
            self._hook.remove()

    def __enter__(self) -> 'AppliedThresholds':
        return self

    def __exit__(self, *error) -> None:
        self.remove()

    def _after_forward(self, model, args: tuple, kwargs: dict, output) -> None:
        mode = args[2] if len(args) > 2 else kwargs.get('mode')
        if mode == 'predict':
            self._cut_off(output)

    def _merge_and_cut_off(self, *args, **kwargs) -> list[DetDataSample]:
        return self._cut_off(self._merge(*args, **kwargs))

    def _cut_off(self, data_samples: list[DetDataSample]) -> list[DetDataSample]:
        for sample in data_samples:
            if 'pred_instances' not in sample:  # a segmentation without instances
                continue
            found = sample.pred_instances
            self.thresholds = self.thresholds.to(found.scores.device)
            keep = found.scores >= self.thresholds[found.labels]
            # As numbers: a mask would make each field wait for the device by itself.
            sample.pred_instances = found[keep.nonzero().squeeze(1)]
        return data_samples


def _read(path: str | os.PathLike) -> dict[str, float | None]:
    """What a file says, checked."""
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f'there is no file {path}') from None
    except ValueError as error:
        raise ThresholdsError(f'{path} is not JSON: {error}') from None
    by_class = content.get('thresholds') if isinstance(content, dict) else None
    if not isinstance(by_class, dict):
        raise ThresholdsError(
            f'{path} is not a file of thresholds as CocoLRPMetric writes it: it needs an object '
            '"thresholds", from names of classes to numbers'
        )
    for name, value in by_class.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value)):
            raise ThresholdsError(
                f'{path}: the threshold of {name} must be a number or null, but is {value!r}'
            )
    return by_class
