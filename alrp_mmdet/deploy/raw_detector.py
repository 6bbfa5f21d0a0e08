"""A detector as one function of tensors, for export."""

import torch
from mmdet.models import AnchorHead, FoveaHead, SingleStageDetector
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmengine.config import Config
from torch import Tensor, nn


class ExportError(ValueError):
    """A detector, or an input size, that cannot be exported."""


class RawDetector(nn.Module):
    """A one-stage detector up to NMS: the network, scores and decoded boxes.

    Everything up to NMS runs without MMDetection and MMCV. NMS takes a few lines in any runtime,
    but each runtime has its own form of it.

    The layers of the model are shared, not copied.

    Args:
        model (nn.Module): RetinaNet, ATSS or FoveaBox, with ranking heads or MMDetection's heads.
        cfg (Config): Its config.
        size (tuple[int, int]): Width and height of the input in pixels, multiples of
            ``pad_size_divisor`` of the data preprocessor.

    Raises:
        ExportError: If the detector or the size is not supported.
    """

    def __init__(self, model: nn.Module, cfg: Config, size: tuple[int, int]):
        super().__init__()
        head = getattr(model, 'bbox_head', None)
        _check_kind(model, head)
        _check_size(size, cfg.model.data_preprocessor.get('pad_size_divisor', 1))
        self.width, self.height = size
        self.detector = model.eval()
        preprocessor = cfg.model.data_preprocessor
        self.flips = bool(preprocessor.get('bgr_to_rgb') or preprocessor.get('rgb_to_bgr'))
        mean, std = preprocessor.get('mean') or [0.0] * 3, preprocessor.get('std') or [1.0] * 3
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(3, 1, 1))
        self.to(next(model.parameters()).device)
        with torch.no_grad():
            outputs = self._head_outputs(self.mean.new_zeros(1, 3, self.height, self.width))
        if len(outputs) != 2:
            raise ExportError(
                f'{type(head).__name__} cannot be exported: it has {len(outputs)} outputs, and '
                'only heads with outputs for classes and boxes are supported'
            )
        sizes = [x.shape[-2:] for x in outputs[0]]
        priors = head.prior_generator.grid_priors(sizes, device=self.mean.device)
        self.num_priors = [len(level) for level in priors]
        self.register_buffer('priors', torch.cat(list(priors)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the scores and boxes of all P priors.

        Args:
            images (Tensor): Shape (N, 3, height, width), float32, 0 to 255, BGR as OpenCV reads
                them.

        Returns:
            tuple: Scores (N, P, C) in [0, 1], and boxes (N, P, 4) as x1, y1, x2, y2 in pixels of
            the input, clipped to it.
        """
        num_images = images.shape[0]
        cls_scores, bbox_preds = self._head_outputs(images)
        head = self.detector.bbox_head
        scores = _flatten_levels(cls_scores, num_images, head.cls_out_channels).sigmoid()
        deltas = _flatten_levels(bbox_preds, num_images, 4)
        return scores, self._decode(deltas, num_images)

    def _head_outputs(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        images = images.flip(1) if self.flips else images
        return self.detector.bbox_head(self.detector.extract_feat((images - self.mean) / self.std))

    def _decode(self, deltas: Tensor, num_images: int) -> Tensor:
        """Decode boxes (N, P, 4) with the head's own code for one image."""
        head, shape = self.detector.bbox_head, (self.height, self.width)
        priors = self.priors.repeat(num_images, 1, 1)
        if not isinstance(head, FoveaHead):
            boxes = head.bbox_coder.decode(priors.flatten(0, 1), deltas.flatten(0, 1), shape)
            return boxes.view(num_images, -1, 4)
        levels = zip(
            priors.split(self.num_priors, 1), deltas.split(self.num_priors, 1), head.base_edge_list
        )
        boxes = [
            head._bbox_decode(p.flatten(0, 1), d.flatten(0, 1), edge, shape).view(num_images, -1, 4)
            for p, d, edge in levels
        ]
        return torch.cat(boxes, dim=1)


def _flatten_levels(level_maps: list[Tensor], num_images: int, channels: int) -> Tensor:
    """Reshape maps (N, anchors * channels, H, W) of all levels to (N, P, channels)."""
    return torch.cat(
        [x.permute(0, 2, 3, 1).reshape(num_images, -1, channels) for x in level_maps], dim=1
    )


def _check_kind(model: nn.Module, head: nn.Module | None) -> None:
    name = type(model).__name__
    if not isinstance(model, SingleStageDetector) or not isinstance(head, AnchorHead | FoveaHead):
        raise ExportError(
            f'{name} cannot be exported, only one-stage detectors of boxes: with anchors, or '
            'FoveaBox. A second stage runs RoIAlign and NMS of MMCV inside the model, which '
            'exporters do not support, and masks would need code after NMS'
        )
    if not (getattr(head, 'use_sigmoid_cls', True) and hasattr(head, 'cls_out_channels')):
        raise ExportError(f'{type(head).__name__} cannot be exported: its scores are a softmax')
    base = FoveaHead if isinstance(head, FoveaHead) else BaseDenseHead
    if any(
        getattr(type(head), name) is not getattr(base, name)
        for name in ('predict_by_feat', '_predict_by_feat_single')
    ):
        raise ExportError(
            f'{type(head).__name__} cannot be exported: it overrides how scores and boxes are '
            'computed from its outputs (predict_by_feat)'
        )
    if hasattr(head, 'atss_centerness'):
        raise ExportError(
            f'{type(head).__name__} cannot be exported: it multiplies scores by a centerness. '
            'ALRPATSSHead does not'
        )


def _check_size(size: tuple[int, int], divisor: int) -> None:
    for name, value in zip(('width', 'height'), size):
        if value < 1 or value % divisor:
            nearest = max(1, round(value / divisor)) * divisor
            raise ExportError(
                f'the {name} of the input is {value}, but must be a multiple of {divisor} '
                f'(pad_size_divisor of the config), such as {nearest}'
            )
