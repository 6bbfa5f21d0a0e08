"""A tiny detector with any dense head, its batches, and a comparison of two training steps."""

import copy

import numpy as np
import torch
from head_helpers import SHAPE, build
from mmdet.models import BaseDetector, SingleStageDetector
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import nn

from alrp_mmdet.models.micro_batches import MicroBatches


class Backbone(nn.Module):
    """Two levels of eight channels, strides 8 and 16."""

    def __init__(self, layer: nn.Module | None = None):
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Conv2d(3, 8, 8, stride=8)
        self.norm = nn.GroupNorm(2, 8)
        self.layer = layer or nn.Identity()
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, images):
        x = self.layer(self.norm(self.stem(images)).relu())
        return x, self.down(x)


class TinyDetector(SingleStageDetector):
    def __init__(self, head: nn.Module, layer: nn.Module | None = None):
        BaseDetector.__init__(self)
        self.backbone = Backbone(layer)
        self.bbox_head = head


def tiny(head: str = 'ALRPRetinaHead', layer: nn.Module | None = None, **kwargs) -> TinyDetector:
    detector = TinyDetector(build(head, **kwargs), layer).double()
    for value in detector.bbox_head.parameters():  # away from the symmetric start
        value.data += 0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(2))
    return detector


def make_batch(num_images: int = 5, shape: tuple[int, int] = SHAPE, num_classes: int = 3):
    """Images and samples: of two sizes, the second without objects."""
    rng = torch.Generator().manual_seed(3)
    samples = []
    for i in range(num_images):
        num_objects = 0 if i == 1 else 1 + i % 3
        height = shape[0] - 16 * (i % 2)
        sizes = 12 + torch.rand(num_objects, 2, generator=rng) * 24
        corners = torch.rand(num_objects, 2, generator=rng) * (height - 40)
        masks = np.zeros((num_objects, *shape), dtype=np.uint8)
        boxes = torch.cat([corners, corners + sizes], dim=1)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist()):
            mask[y1:y2, x1:x2] = 1
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, shape[1]),
                pad_shape=shape,
                batch_input_shape=shape,
                scale_factor=(1.0, 1.0),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=boxes,
            labels=torch.arange(i, i + num_objects) % num_classes,
            masks=BitmapMasks(masks, *shape),
        )
        samples.append(sample)
    return torch.randn(num_images, 3, *shape, generator=rng, dtype=torch.float64), samples


def step(detector, size: int | None, batch=make_batch):
    """Logged values and gradients of a step of a copy of a detector, in micro-batches or whole."""
    detector = copy.deepcopy(detector).train()
    if size is not None:
        MicroBatches(detector, size).install()
    torch.manual_seed(4)
    loss, logged = detector.parse_losses(detector.loss(*batch()))
    loss.backward()
    return logged, {name: value.grad for name, value in detector.named_parameters()}


def assert_equal_steps(one, other, tolerance: float = 1e-9) -> None:
    (logged, gradients), (other_logged, other_gradients) = one, other
    assert logged.keys() == other_logged.keys()
    for name, value in logged.items():
        torch.testing.assert_close(other_logged[name], value, rtol=tolerance, atol=0)
    trained = [name for name, value in gradients.items() if value is not None and value.any()]
    assert len(trained) > 4
    for name, value in gradients.items():
        if value is None:
            assert other_gradients[name] is None, name
            continue
        error = (other_gradients[name] - value).abs().max()
        assert error <= tolerance * value.abs().max(), (name, error)
