"""Identify the detector and the config of a published checkpoint."""

from pathlib import Path

from torch import Tensor

from ...config.nodes import dicts
from ..fine_tuning.state_dicts import summarize_modules
from ..safe_loading import CheckpointError

# The class of the model here, and where its configs are.
DETECTORS = {
    'RetinaNet': ('RetinaNet', 'retinanet/{}_retinanet'),
    'ATSS': ('ATSS', 'atss/{}_atss'),
    'PAA': ('PAA', 'paa/{}_paa'),
    'FoveaBox': ('FOVEA', 'foveabox/{}_fovea'),
    'Faster R-CNN': ('FasterRCNN', 'faster_rcnn/{}_faster-rcnn'),
    'Cascade R-CNN': ('CascadeRCNN', 'cascade_rcnn/{}_cascade-rcnn'),
    'Mask R-CNN': ('MaskRCNN', 'mask_rcnn/{}_mask-rcnn'),
    'YOLACT': ('ALRPYOLACT', 'yolact/{}_yolact'),
}
LOSSES = dict(
    RankSort='rs',
    BucketedRankSort='rs',
    aLRP='alrp',
    AP='ap',
    APLoss='ap',
    BucketedAPLoss='ap',
)
LVIS_CLASSES = 1203


def identify_detector(
    weights: dict[str, Tensor], filename: str, model_type: str | None = None
) -> str:
    """Identify which of the published detectors some weights belong to.

    Args:
        weights (dict[str, Tensor]): Weights under the names of MMDetection 2.
        filename (str): The file, for messages.
        model_type (str, optional): ``type`` of the model. Only it distinguishes PAA from ATSS with
            normalised towers: their layers are the same.

    Returns:
        str: A key of ``DETECTORS``.

    Raises:
        CheckpointError: If they belong to none of these detectors, or to either of two.
    """
    head = {key.split('.')[1] for key in weights if key.startswith('bbox_head.')}
    roi_head = {'.'.join(key.split('.')[1:3]) for key in weights if key.startswith('roi_head.')}
    if 'rpn_head.rpn_cls.weight' in weights:
        if roi_head == {'bbox_head.fc_cls', 'bbox_head.fc_reg', 'bbox_head.shared_fcs'}:
            return 'Faster R-CNN'
        if roi_head == {'bbox_head.0', 'bbox_head.1', 'bbox_head.2'}:
            return 'Cascade R-CNN'
        if {'bbox_head.fc_cls', 'mask_head.conv_logits'} <= roi_head:
            return 'Mask R-CNN'
    if {'fc_cls', 'fc_reg'} <= head:
        raise CheckpointError(
            f'{filename} is a two-stage detector of MMDetection 1, which numbers labels from 1. '
            'Only checkpoints of MMDetection 2 can be converted'
        )
    if {'atss_cls', 'atss_reg'} <= head:
        if 'scales' not in head:
            return 'ATSS'
        if model_type not in ('ATSS', 'PAA'):
            raise CheckpointError(
                f'{filename}: the detector is ATSS or PAA. Both have the same layers, and the '
                'checkpoint has no config text to tell them apart. Give a config with --config'
            )
        return model_type
    if {'retina_cls', 'retina_reg'} <= head:
        # ATSS has one square anchor for each of two or three scales, RetinaNet three aspect ratios
        # for each scale.
        return 'ATSS' if _anchors(weights) <= 3 else 'RetinaNet'
    if {'conv_cls', 'conv_reg', 'conv_coeff'} <= head:
        return 'YOLACT'
    if head & {'conv_cls', 'fovea_cls'} and not head & {'conv_centerness', 'fcos_centerness'}:
        return 'FoveaBox'
    raise CheckpointError(
        f'{filename} is not a supported detector of MMDetection 2 ({", ".join(DETECTORS)}). It '
        f'has {summarize_modules(weights)}'
    )


def published_config(
    weights: dict[str, Tensor], filename: str, configs: Path, model: dict | None = None
) -> Path:
    """Find the config of this project for some published weights.

    Args:
        weights (dict[str, Tensor]): Weights under the names of MMDetection 2.
        filename (str): The file, for messages.
        configs (Path): The folder ``configs``.
        model (dict, optional): ``model`` of the config text in the checkpoint.

    Returns:
        Path: The config.

    Raises:
        CheckpointError: If there is no config for these weights, or if they do not determine it.
    """
    detector = identify_detector(weights, filename, (model or {}).get('type'))
    loss = _loss(weights, filename, detector, model)
    blocks = {key.split('.')[2] for key in weights if key.startswith('backbone.layer3.')}
    depth = {6: '50', 23: '101'}.get(len(blocks), f' with {len(blocks)} blocks in layer3')
    conv = weights.get('backbone.layer1.0.conv2.weight')
    grouped_convs = conv is not None and tuple(conv.shape[:2]) == (256, 4)
    backbone = f'x{depth}-64x4d' if grouped_convs else f'r{depth}'
    if any('conv2_offset.' in key or 'conv2.conv_offset.' in key for key in weights):
        backbone += '-dconv-c3-c5'
    if loss == 'alrp_2020':
        size = 800 if detector == 'ATSS' and _anchors(weights) == 3 else 500
        rest = f'_fpn_100e_coco{size}'
    else:
        neck = 'fpn-carafe' if _has_carafe(weights) else 'fpn'
        masks = weights.get('roi_head.mask_head.conv_logits.weight', ())
        data = 'lvis-v1' if len(masks) == LVIS_CLASSES else 'coco'
        # One model per backbone, neck and data set: configs for other schedules have the same.
        rest = f'_{neck}_*{data}'
    pattern = f'{DETECTORS[detector][1].format(loss.removesuffix("_2020"))}_{backbone}{rest}.py'
    found = sorted(configs.glob(pattern))
    if not found:
        raise CheckpointError(
            f'{filename}: the detector is {detector} with the backbone {backbone}, for which there '
            f'is no config {pattern}. Give your own with --config'
        )
    return found[0]


def _loss(weights: dict[str, Tensor], filename: str, detector: str, model: dict | None) -> str:
    """The loss, as configs name it; 'alrp_2020' for models of the aLRP fork."""
    if model is not None:
        nodes = [node for _, node in dicts(model, 'model')]
        types = [str(node.get('type')) for node in nodes]
        if not any(name.startswith(('RankBased', 'RankSort')) for name in types):
            return 'alrp_2020'
        losses = [node.get('rank_loss_type') for node in nodes]
        loss = next(filter(None, losses), 'RankSort')
        name = loss.get('type') if isinstance(loss, dict) else loss
        if name not in LOSSES:
            raise CheckpointError(
                f'{filename} was trained with rank_loss_type={name!r}. There are configs for '
                f'{", ".join(LOSSES)}. Give your own with --config'
            )
        return LOSSES[name]
    if detector == 'Faster R-CNN' and not _has_carafe(weights):
        raise CheckpointError(
            f'{filename}: {detector} was published with aLRP Loss and with RS Loss, and the '
            'checkpoint has no config text to tell them apart. Give a config with --config'
        )
    if detector in ('RetinaNet', 'FoveaBox'):
        return 'alrp_2020'
    return 'alrp_2020' if detector == 'ATSS' and 'bbox_head.scales.0.scale' not in weights else 'rs'


def _has_carafe(weights: dict[str, Tensor]) -> bool:
    return 'neck.upsample_modules.0.content_encoder.weight' in weights


def _anchors(weights: dict[str, Tensor]) -> int:
    """Number of anchors per location. Each has four outputs for its box."""
    names = ('bbox_head.retina_reg.weight', 'bbox_head.atss_reg.weight')
    return next((len(weights[name]) // 4 for name in names if name in weights), 0)
