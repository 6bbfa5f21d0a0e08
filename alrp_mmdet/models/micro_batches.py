"""Batches larger than memory: images forwarded in micro-batches, one loss for all of them."""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from mmcv.ops import SyncBatchNorm
from mmdet.models import (
    BaseDetector,
    DetectionTransformer,
    SingleStageDetector,
    TwoStageDetector,
)
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.dense_heads.base_mask_head import BaseMaskHead
from mmdet.models.detectors.single_stage_instance_seg import SingleStageInstanceSegmentor
from mmdet.structures import SampleList
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from alrp.text import format_list

from ..config.file import ConfigError
from .dense_heads import ALRPSOLOV2Head

# Detectors whose loss calls extract_feat for all images at once.
SUPPORTED = (
    SingleStageDetector,
    SingleStageInstanceSegmentor,
    TwoStageDetector,
    DetectionTransformer,
)
# Losses that use the features only to call the head.
OF_HEAD_OUTPUTS = (BaseDenseHead.loss, BaseMaskHead.loss, ALRPSOLOV2Head.loss)


class MicroBatches:
    """Trains a detector on batches that do not fit in memory, with the whole batch's gradients.

    Images go through backbone, neck and dense head in micro-batches, whose activations are not
    kept. The detector's own loss then sees the outputs of all images. In the backward pass, each
    micro-batch is forwarded again and backpropagated from its part of the gradient. This is
    gradient caching (Gao et al., arXiv 2101.06983), done by activation checkpoints: there is one
    loss and one backward pass as usual, for mixed precision, gradient accumulation and DDP. Both
    forward passes of a micro-batch draw the same random numbers, as for dropout.

    Everything after the dense head runs on the whole batch, such as the second stage of an R-CNN,
    which samples once, and the masks of YOLACT.

    Args:
        detector (BaseDetector): The detector.
        size (int): Images in a micro-batch. The last one may have fewer.

    Raises:
        ConfigError: If ``size`` is not a positive integer, or the detector is not supported.
    """

    def __init__(self, detector: BaseDetector, size: int):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(f'micro_batch_size must be a positive integer, got {size!r}')
        if not isinstance(detector, SUPPORTED):
            raise ConfigError(
                f'micro_batch_size={size} does not work with {type(detector).__name__}: it needs a '
                'single-stage or two-stage detector or a detection transformer, whose loss '
                'extracts the features of all images at once'
            )
        self.detector = detector
        self.size = size
        heads = [getattr(detector, name, None) for name in ('bbox_head', 'rpn_head', 'mask_head')]
        head = next((head for head in heads if head is not None), None)
        self.head = head if getattr(type(head), 'loss', None) in OF_HEAD_OUTPUTS else None
        losses = [SingleStageDetector.loss]
        if not detector.with_bbox:
            losses.append(SingleStageInstanceSegmentor.loss)
        self.keeps_features = self.head is None or type(detector).loss not in losses
        self._is_checked = False

    def install(self) -> None:
        """Make ``detector.loss`` use micro-batches."""
        self.detector.loss = self.loss

    def check_norms(self) -> None:
        """Check that no layer that runs on micro-batches normalises over the batch.

        Raises:
            ConfigError: If some do. Names them and says what to set.
        """
        found, advice = [], []
        for key, part in self.detector.named_children():
            if part is not self.head and key not in ('backbone', 'neck'):
                continue
            names = [name for name, layer in part.named_modules() if _normalises_batch(layer)]
            if names:
                found.append(f'{key} ({format_list(names, 2)})')
                if hasattr(part, 'norm_eval'):
                    advice.append(f'model.{key}.norm_eval=True (keeps the pretrained statistics)')
                advice.append(f"model.{key}.norm_cfg=dict(type='GN', num_groups=32)")
        if found:
            raise ConfigError(
                f'micro_batch_size={self.size} does not work with batch normalisation in training '
                f'mode, which would normalise over a micro-batch and count each image twice: '
                f'{format_list(found)}. Set {" or ".join(advice)}'
            )

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, **kwargs: Any
    ) -> dict[str, Tensor]:
        """The detector's losses of a batch, see ``BaseDetector.loss``.

        Raises:
            ConfigError: If gradients would not be those of the whole batch.
        """
        detector, head = self.detector, self.head
        loss = partial(type(detector).loss, detector, batch_inputs, batch_data_samples, **kwargs)
        if len(batch_inputs) <= self.size:
            return loss()
        self.check_norms()
        features, outputs = self._forward(batch_inputs)
        with ExitStack() as stack:
            if head is not None:
                stack.enter_context(_known_result(head, 'forward', features, outputs))
            stack.enter_context(_known_result(detector, 'extract_feat', batch_inputs, features))
            return loss()

    def _forward(self, images: Tensor) -> tuple[Any, Any]:
        """Features and outputs of the head for all images, as if forwarded at once."""
        parts, states = [], []
        for micro_batch in images.split(self.size):
            # Cast weights are kept for a micro-batch only: their gradients would otherwise be
            # summed over the micro-batches in half precision.
            torch.clear_autocast_cache()
            parts.append(checkpoint(self._forward_part, micro_batch, use_reentrant=False))
            if not self._is_checked:
                self._check_rows(parts[-1], len(micro_batch))
                states.append(_state(self.detector))
        if not self._is_checked:
            # The first pass may fill caches. After that, nothing may change.
            changed = [key for key in states[1] if states[0].get(key) != states[1][key]]
            if changed:
                raise ConfigError(
                    f'micro_batch_size={self.size} forwards each image twice, but not every layer '
                    f'then does the same twice: a forward pass changes {format_list(changed)}'
                )
            self._is_checked = True
        return _concatenate(parts)

    def _forward_part(self, images: Tensor) -> tuple[Any, Any]:
        features = self.detector.extract_feat(images)
        outputs = None if self.head is None else self.head(features)
        return features if self.keeps_features else [], outputs

    def _check_rows(self, result: Any, num_images: int) -> None:
        """Check that all results have a row per image, so that they can be concatenated."""
        if isinstance(result, tuple | list):
            for part in result:
                self._check_rows(part, num_images)
        elif result is not None:
            shape = tuple(getattr(result, 'shape', ()))
            if shape[:1] != (num_images,):
                raise ConfigError(
                    f'micro_batch_size={self.size} needs features and outputs of the head with a '
                    f'row for each image, but {type(self.detector).__name__} returns a '
                    f'{type(result).__name__} of shape {shape} for {num_images} images'
                )


def _normalises_batch(layer: nn.Module) -> bool:
    if isinstance(layer, _BatchNorm):
        return layer.training or layer.running_mean is None
    return isinstance(layer, SyncBatchNorm) and layer.training


def _state(module: nn.Module) -> dict[str, object]:
    """What a forward pass may change, except for torch's random numbers."""
    _, keys, position, *_ = np.random.get_state()
    state = {'random.getstate()': random.getstate()}
    state['numpy.random.get_state()'] = keys.tobytes(), position
    for prefix, layer in module.named_modules():
        for key, value in vars(layer).items():
            if isinstance(value, int | float):
                state[f'{prefix}.{key}'] = value
        for key, value in layer.named_buffers(recurse=False):
            state[f'{prefix}.{key}'] = id(value), value._version
    return state


def _concatenate(parts: Sequence[Any]) -> Any:
    """Concatenate the tensors in tuples and lists of the same structure."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(parts)
    if isinstance(first, tuple | list):
        return type(first)(map(_concatenate, zip(*parts)))
    return None


@contextmanager
def _known_result(module: nn.Module, name: str, argument: object, result: object) -> Iterator[None]:
    """Make a method return a known result for one argument, which is compared by identity.

    Raises:
        ConfigError: If the method is not called with that argument.
    """
    method, own = getattr(module, name), vars(module).get(name)
    is_used = False

    def call(x, *args, **kwargs):
        nonlocal is_used
        if x is not argument:
            return method(x, *args, **kwargs)
        is_used = True
        return result

    setattr(module, name, call)
    try:
        yield
    finally:
        if own is None:
            delattr(module, name)
        else:
            setattr(module, name, own)
    if not is_used:
        raise ConfigError(
            'micro_batch_size does not work with this detector: its loss does not call '
            f'{type(module).__name__}.{name} with the images or features of the batch, unchanged'
        )
