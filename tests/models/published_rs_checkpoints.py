"""Checkpoints as the published code of RS Loss and of bucketed ranking wrote them, key by key.

Names and shapes are those of the published class definitions: ``RankBasedATSSHead``,
``RankBasedPAAHead`` (by way of ``QFLHead``), ``RankBasedRPNHead``, ``RankBasedShared2FCBBoxHead``,
``RankBasedFCNMaskHead`` (adds no layer to ``FCNMaskHead``), ``RankSortYOLACTHead`` and
``RankSortYOLACTProtonet``. Both forks have the same.
"""

from published_checkpoints import (
    CLASSES,
    CODER,
    IMAGES,
    PYRAMID,
    backbone,
    box_head,
    conv,
    named,
    neck,
    rpn_head,
    with_random_weights,
)

SQUARES = f"""anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3, ratios=[1.0],
            strides={PYRAMID}),
        bbox_coder={CODER}"""
RPN = f"""rpn_head=dict(
        type='RankBasedRPNHead', head_weight=0.2,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64]),
        bbox_coder={CODER})"""
ROIS = "bbox_roi_extractor=dict(type='SingleRoIExtractor', featmap_strides=[4, 8, 16, 32])"
BOXES = f"dict(type='RankBasedShared2FCBBoxHead', rank_loss_type={{loss}}, bbox_coder={CODER})"
CONFIG = {
    'atss': f"""
model = dict(
    type='ATSS',
    bbox_head=dict(
        type='RankBasedATSSHead', rank_loss_type={{loss}},
        {SQUARES}))
""",
    'paa': f"""
model = dict(
    type='PAA',
    bbox_head=dict(
        type='RankBasedPAAHead', rank_loss_type={{loss}}, score_voting=True,
        {SQUARES}))
""",
    'faster-rcnn': f"""
model = dict(
    type='FasterRCNN',
    {RPN},
    roi_head=dict(type='RankBasedStandardRoIHead', {ROIS}, bbox_head={BOXES}))
""",
    'cascade-rcnn': f"""
model = dict(
    type='CascadeRCNN',
    {RPN},
    roi_head=dict(
        type='RankBasedCascadeRoIHead', num_stages=3, {ROIS},
        bbox_head=[{BOXES}, {BOXES}, {BOXES}]))
""",
    'mask-rcnn': f"""
model = dict(
    type='MaskRCNN',
    {RPN},
    roi_head=dict(
        type='RankBasedStandardRoIHead', {ROIS}, bbox_head={BOXES},
        mask_head=dict(type='RankBasedFCNMaskHead')))
""",
    'yolact': f"""
model = dict(
    type='RankSortYOLACT',
    bbox_head=dict(
        type='RankSortYOLACTHead',
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=3, scales_per_octave=1,
            ratios=[0.5, 1.0, 2.0], base_sizes=[8, 16, 32, 64, 128],
            strides={[550 / x for x in (69, 35, 18, 9, 5)]}),
        bbox_coder={CODER}),
    mask_head=dict(type='RankSortYOLACTProtonet'))
""",
}
YOLACT_IMAGES = IMAGES.replace('123.675, 116.28, 103.53', '123.68, 116.78, 103.94').replace(
    '58.395, 57.12, 57.375', '58.4, 57.12, 57.38'
)
DETECTORS = tuple(CONFIG)


def gn_head(convs: int, width: int, anchors: int, classes: int) -> dict[str, tuple]:
    """ATSS's towers with group normalisation: their convolutions have no bias."""
    shapes = {}
    for branch in ('cls_convs', 'reg_convs'):
        for i in range(convs):
            shapes[f'{branch}.{i}.conv.weight'] = (width, width, 3, 3)
            shapes |= named(f'{branch}.{i}.gn', dict(weight=(width,), bias=(width,)))
    shapes |= named('atss_cls', conv(anchors * classes, width, 3))
    shapes |= named('atss_reg', conv(anchors * 4, width, 3))
    shapes |= {f'scales.{level}.scale': () for level in range(5)}
    return named('bbox_head', shapes)


def mask_head(width: int, classes: int) -> dict[str, tuple]:
    shapes = {}
    for i in range(4):
        shapes |= named(f'convs.{i}.conv', conv(width, width, 3))
    shapes |= named('upsample', conv(width, width, 2))  # a transposed convolution
    return shapes | named('conv_logits', conv(classes, width, 1))


def carafe(channels: list[int], width: int, compressed: int = 64) -> dict[str, tuple]:
    """FPN-CARAFE with one level more than the backbone, and an upsampler below each level."""
    shapes = {}
    for i, given in enumerate([*channels, channels[-1]]):
        shapes |= named(f'lateral_convs.{i}.conv', conv(width, given, 3 if i == 4 else 1))
        shapes |= named(f'fpn_convs.{i}.conv', conv(width, width, 3))
    for i in range(4):
        at = f'upsample_modules.{i}'
        shapes |= named(f'{at}.channel_compressor', conv(compressed, width, 1))
        # A kernel of 5 x 5 for each of the 2 x 2 new places.
        shapes |= named(f'{at}.content_encoder', conv(100, compressed, 3))
    return named('neck', shapes)


def yolact(width: int, classes: int, protos: int = 32) -> dict[str, tuple]:
    """Three anchors per location, with a logit per class, a box and coefficients of prototypes."""
    head = named('head_convs.0.conv', conv(width, width, 3))
    for name, outputs in dict(cls=classes, reg=4, coeff=protos).items():
        head |= named(f'conv_{name}', conv(3 * outputs, width, 3))
    net = {}
    # The other places have ReLU, and 6 doubles the size.
    for place, (channels, size) in {0: (256, 3), 2: (256, 3), 4: (256, 3), 8: (256, 3)}.items():
        net |= named(f'protonet.{place}', conv(channels, width if place == 0 else 256, size))
    net |= named('protonet.10', conv(protos, 256, 1))
    return named('bbox_head', head) | named('mask_head', net)


def shapes_of(
    detector: str,
    classes: int = 3,
    depth: int = 50,
    width: int = 4,
    stem: int = 4,
    fpn: int = 8,
    hidden: int = 16,
    convs: int = 1,
    with_carafe: bool = False,
    **resnet,
) -> dict[str, tuple]:
    """Shapes of all weights of one of the detectors, by name."""
    channels = [4 * width * 2**stage for stage in range(4)]
    shapes = backbone(depth, width, stem, **resnet)
    if detector in ('atss', 'paa'):
        shapes |= neck(channels[1:], 5, fpn, on_output=True)
        return shapes | gn_head(convs, fpn, 3, classes)
    if detector == 'yolact':
        return shapes | neck(channels[1:], 5, fpn) | yolact(fpn, classes)
    shapes |= carafe(channels, fpn) if with_carafe else neck(channels, 4, fpn)
    shapes |= rpn_head(fpn)
    if detector == 'cascade-rcnn':
        for stage in range(3):
            boxes = box_head(fpn, hidden, classes, regressed=1)
            shapes |= named(f'roi_head.bbox_head.{stage}', boxes)
        return shapes
    shapes |= named('roi_head.bbox_head', box_head(fpn, hidden, classes, classes))
    if detector == 'mask-rcnn':
        shapes |= named('roi_head.mask_head', mask_head(fpn, classes))
    return shapes


def config_text(detector: str, loss: object = 'RankSort') -> str:
    images = YOLACT_IMAGES if detector == 'yolact' else IMAGES
    return CONFIG[detector].replace('{loss}', repr(loss)) + images


def published_rs(detector: str, classes=CLASSES, loss: object = 'RankSort', **kwargs) -> dict:
    """A checkpoint with random weights. ``loss``: as ``rank_loss_type`` of its config."""
    meta = dict(mmdet_version='2.6.0+5bcd09f', CLASSES=classes, epoch=12, iter=87960)
    meta['config'] = config_text(detector, loss)
    return with_random_weights(shapes_of(detector, len(classes), **kwargs), meta)
