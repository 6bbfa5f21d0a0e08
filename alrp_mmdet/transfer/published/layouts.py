"""Which detector some published weights are of, and with which config."""

from pathlib import Path

from torch import Tensor

from ..fine_tuning.state_dicts import outline
from ..safe_loading import CheckpointError

CONFIG_NAMES = {
    'RetinaNet': 'retinanet/alrp_retinanet',
    'ATSS': 'atss/alrp_atss',
    'FoveaBox': 'foveabox/alrp_fovea',
    'Faster R-CNN': 'faster_rcnn/alrp_faster-rcnn',
}


def detector_in(weights: dict[str, Tensor], filename: str) -> str:
    """Which of the four published detectors some weights are of.

    Args:
        weights (dict[str, Tensor]): By names of MMDetection 2.0.
        filename (str): The file they are from, for messages.

    Returns:
        str: A key of ``CONFIG_NAMES``.

    Raises:
        CheckpointError: If they are of none.
    """
    head = {key.split('.')[1] for key in weights if key.startswith('bbox_head.')}
    if 'roi_head.bbox_head.fc_cls.weight' in weights and 'rpn_head.rpn_cls.weight' in weights:
        return 'Faster R-CNN'
    if {'fc_cls', 'fc_reg'} <= head:
        raise CheckpointError(
            f'the two stages in {filename} have the names of MMDetection 1, where labels counted '
            'from one: only checkpoints of MMDetection 2 can be converted'
        )
    if {'atss_cls', 'atss_reg'} <= head:
        return 'ATSS'
    if {'retina_cls', 'retina_reg'} <= head:
        # ATSS has square anchors, one for each of its two or three scales; RetinaNet has three
        # shapes for each of several.
        return 'ATSS' if _anchors(weights) <= 3 else 'RetinaNet'
    if head & {'conv_cls', 'fovea_cls'} and not head & {'conv_centerness', 'fcos_centerness'}:
        return 'FoveaBox'
    raise CheckpointError(
        f'{filename} is none of {", ".join(CONFIG_NAMES)} in the layout of MMDetection 2: its '
        f'weights are of {outline(weights)}'
    )


def published_config(weights: dict[str, Tensor], filename: str, configs: Path) -> Path:
    """The config of this project whose model some published weights are for.

    Args:
        weights (dict[str, Tensor]): By names of MMDetection 2.0.
        filename (str): The file they are from, for messages.
        configs (Path): The folder ``configs``.

    Returns:
        Path: The config.

    Raises:
        CheckpointError: If there is none.
    """
    detector = detector_in(weights, filename)
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
            f'{filename} is a {detector} with the backbone {backbone}, and there is no config '
            f'{path.name}: name yours by --config'
        )
    return path


def _anchors(weights: dict[str, Tensor]) -> int:
    """Anchors at a place: each has a box of four numbers."""
    names = ('bbox_head.retina_reg.weight', 'bbox_head.atss_reg.weight')
    return next((len(weights[name]) // 4 for name in names if name in weights), 0)
