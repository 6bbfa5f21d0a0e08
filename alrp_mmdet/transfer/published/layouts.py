"""Identify the detector and the config of a published checkpoint."""

from pathlib import Path

from torch import Tensor

from alrp.text import format_list

from ..fine_tuning.state_dicts import summarize_modules
from ..safe_loading import CheckpointError

CONFIG_NAMES = {
    'RetinaNet': 'retinanet/alrp_retinanet',
    'ATSS': 'atss/alrp_atss',
    'FoveaBox': 'foveabox/alrp_fovea',
    'Faster R-CNN': 'faster_rcnn/alrp_faster-rcnn',
}


def identify_detector(weights: dict[str, Tensor], filename: str) -> str:
    """Identify which of the four published detectors some weights belong to.

    Args:
        weights (dict[str, Tensor]): Weights under the names of MMDetection 2.0.
        filename (str): The file, for messages.

    Returns:
        str: A key of ``CONFIG_NAMES``.

    Raises:
        CheckpointError: If they belong to none of the four.
    """
    head = {key.split('.')[1] for key in weights if key.startswith('bbox_head.')}
    if 'roi_head.bbox_head.fc_cls.weight' in weights and 'rpn_head.rpn_cls.weight' in weights:
        return 'Faster R-CNN'
    if {'fc_cls', 'fc_reg'} <= head:
        raise CheckpointError(
            f'{filename} is a two-stage detector of MMDetection 1, which numbers labels from 1. '
            'Only checkpoints of MMDetection 2 can be converted'
        )
    if {'atss_cls', 'atss_reg'} <= head:
        return 'ATSS'
    if {'retina_cls', 'retina_reg'} <= head:
        # ATSS has one square anchor for each of two or three scales, RetinaNet three aspect ratios
        # for each scale.
        return 'ATSS' if _anchors(weights) <= 3 else 'RetinaNet'
    if head & {'conv_cls', 'fovea_cls'} and not head & {'conv_centerness', 'fcos_centerness'}:
        return 'FoveaBox'
    raise CheckpointError(
        f'{filename} is not a {format_list(CONFIG_NAMES)} of MMDetection 2. It has '
        f'{summarize_modules(weights)}'
    )


def published_config(weights: dict[str, Tensor], filename: str, configs: Path) -> Path:
    """Find the config of this project for some published weights.

    Args:
        weights (dict[str, Tensor]): Weights under the names of MMDetection 2.0.
        filename (str): The file, for messages.
        configs (Path): The folder ``configs``.

    Returns:
        Path: The config.

    Raises:
        CheckpointError: If there is no config for these weights.
    """
    detector = identify_detector(weights, filename)
    blocks = {key.split('.')[2] for key in weights if key.startswith('backbone.layer3.')}
    depth = {6: '50', 23: '101'}.get(len(blocks), f' with {len(blocks)} blocks in layer3')
    conv = weights.get('backbone.layer1.0.conv2.weight')
    grouped_convs = conv is not None and tuple(conv.shape[:2]) == (256, 4)
    backbone = f'x{depth}-64x4d' if grouped_convs else f'r{depth}'
    if any('conv2_offset.' in key or 'conv2.conv_offset.' in key for key in weights):
        backbone += '-dconv-c3-c5'
    size = 800 if detector == 'ATSS' and _anchors(weights) == 3 else 500
    path = configs / f'{CONFIG_NAMES[detector]}_{backbone}_fpn_100e_coco{size}.py'
    if not path.is_file():
        raise CheckpointError(
            f'{filename} is a {detector} with the backbone {backbone}, for which there is no '
            f'config {path.name}. Give your own with --config'
        )
    return path


def _anchors(weights: dict[str, Tensor]) -> int:
    """Number of anchors per location. Each has four outputs for its box."""
    names = ('bbox_head.retina_reg.weight', 'bbox_head.atss_reg.weight')
    return next((len(weights[name]) // 4 for name in names if name in weights), 0)
