"""Checkpoints as the published code of aLRP Loss wrote them, key by key.

None can be downloaded in a test. Names, shapes and order are those that MMDetection 2.0 documents;
``width`` is that of the first stage of the ResNet, 64 in the published models.
"""

from collections import OrderedDict

import torch

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
CLASSES = ('cat', 'dog', 'eel')
CODER = (
    "dict(type='DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], "
    'target_stds=[0.1, 0.1, 0.2, 0.2])'
)
PYRAMID = '[8, 16, 32, 64, 128]'
CONFIG = {
    'retinanet': f"""
model = dict(
    type='RetinaNet',
    pretrained='torchvision://resnet50',
    backbone=dict(type='ResNet', depth=50, num_stages=4, style='pytorch'),
    bbox_head=dict(
        type='aLRPLossRetinaHead',
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=2,
            ratios=[0.5, 1.0, 2.0], strides={PYRAMID}),
        bbox_coder={CODER}))
""",
    'atss': f"""
model = dict(
    type='ATSS',
    bbox_head=dict(
        type='ATSSHead',
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=2, ratios=[1.0],
            strides={PYRAMID}),
        bbox_coder={CODER}))
""",
    'fovea': f"""
model = dict(
    type='FOVEA',
    bbox_head=dict(
        type='FoveaHead', strides={PYRAMID}, base_edge_list=[16, 32, 64, 128, 256]))
""",
    'faster-rcnn': f"""
model = dict(
    type='FasterRCNN',
    rpn_head=dict(
        type='RPNHead',
        anchor_generator=dict(
            type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64]),
        bbox_coder={CODER}),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(type='SingleRoIExtractor', featmap_strides=[4, 8, 16, 32]),
        bbox_head=dict(type='Shared2FCBBoxHead', bbox_coder={CODER})))
""",
}
IMAGES = """
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
optimizer = dict(type='SGD', lr=0.008)
gpu_ids = range(0, 4)
"""


def norm(channels: int) -> dict[str, tuple]:
    each = dict.fromkeys(('weight', 'bias', 'running_mean', 'running_var'), (channels,))
    return each | dict(num_batches_tracked=())


def named(prefix: str, shapes: dict[str, tuple]) -> dict[str, tuple]:
    return {f'{prefix}.{name}': shape for name, shape in shapes.items()}


def conv(out: int, channels: int, size: int) -> dict[str, tuple]:
    return dict(weight=(out, channels, size, size), bias=(out,))


def backbone(
    depth: int,
    width: int,
    stem: int,
    groups: int = 1,
    base_width: int = 0,
    deform_groups: int = 0,
) -> dict:
    """ResNet or ResNeXt; with ``deform_groups``, DCNv2 in all stages but the first."""
    shapes = {'conv1.weight': (stem, 3, 7, 7), **named('bn1', norm(stem))}
    before = stem
    for stage, blocks in enumerate(BLOCKS[depth]):
        inner, out = width * 2**stage, 4 * width * 2**stage
        mid = inner * base_width // width * groups if base_width else inner
        for block in range(blocks):
            at = f'layer{stage + 1}.{block}'
            sizes = {'1': (mid, before, 1), '2': (mid, mid // groups, 3), '3': (out, mid, 1)}
            for i, (filters, channels, size) in sizes.items():
                shapes[f'{at}.conv{i}.weight'] = (filters, channels, size, size)
                shapes |= named(f'{at}.bn{i}', norm(filters))
            if deform_groups and stage > 0:  # an offset in x and y, and a mask, of 3 x 3 places
                offset = conv(deform_groups * 27, mid, 3)
                shapes |= named(f'{at}.conv2.conv_offset', offset)
            if block == 0:
                shapes[f'{at}.downsample.0.weight'] = (out, before, 1, 1)
                shapes |= named(f'{at}.downsample.1', norm(out))
            before = out
    return named('backbone', shapes)


def neck(channels: list[int], levels: int, width: int, on_output: bool = False) -> dict:
    """FPN; levels beyond the backbone's are convolutions of its last map, or with ``on_output`` of
    the last output, and of one another."""
    shapes = {}
    for i, given in enumerate(channels):
        shapes |= named(f'lateral_convs.{i}.conv', conv(width, given, 1))
    for i in range(levels):
        given = channels[-1] if i == len(channels) and not on_output else width
        shapes |= named(f'fpn_convs.{i}.conv', conv(width, given, 3))
    return named('neck', shapes)


def tower(cls: str, reg: str, convs: int, width: int, priors: int, classes: int) -> dict:
    shapes = {}
    for branch in ('cls_convs', 'reg_convs'):
        for i in range(convs):
            shapes |= named(f'{branch}.{i}.conv', conv(width, width, 3))
    shapes |= named(cls, conv(priors * classes, width, 3))
    shapes |= named(reg, conv(priors * 4, width, 3))
    return named('bbox_head', shapes)


def rpn_head(width: int) -> dict[str, tuple]:
    shapes = {
        **named('rpn_conv', conv(width, width, 3)),
        **named('rpn_cls', conv(3, width, 1)),
        **named('rpn_reg', conv(12, width, 1)),
    }
    return named('rpn_head', shapes)


def box_head(width: int, hidden: int, classes: int, regressed: int) -> dict[str, tuple]:
    """One sigmoid logit per class and none for the background; a box for each of ``regressed``."""
    layers = {
        'shared_fcs.0': (hidden, width * 7 * 7),
        'shared_fcs.1': (hidden, hidden),
        'fc_cls': (classes, hidden),
        'fc_reg': (4 * regressed, hidden),
    }
    shapes = {}
    for name, shape in layers.items():
        shapes |= named(name, dict(weight=shape, bias=shape[:1]))
    return shapes


def shapes_of(
    detector: str,
    classes: int = 3,
    depth: int = 50,
    width: int = 4,
    stem: int = 4,
    fpn: int = 8,
    hidden: int = 16,
    convs: int = 1,
    atss: str = 'atss',
    anchors: int = 2,
    **resnext,
) -> dict[str, tuple]:
    """Shapes of all weights of one of the four detectors, by name."""
    channels = [4 * width * 2**stage for stage in range(4)]
    shapes = backbone(depth, width, stem, **resnext)
    if detector == 'faster-rcnn':  # five levels from four maps: the last is pooled
        shapes |= neck(channels, 4, fpn) | rpn_head(fpn)
        return shapes | named('roi_head.bbox_head', box_head(fpn, hidden, classes, classes))
    shapes |= neck(channels[1:], 5, fpn)
    cls, reg, priors = {
        'retinanet': ('retina_cls', 'retina_reg', 6),
        'atss': (f'{atss}_cls', f'{atss}_reg', anchors),
        'fovea': ('fovea_cls', 'fovea_reg', 1),
    }[detector]
    return shapes | tower(cls, reg, convs, fpn, priors, classes)


def published(detector: str, classes=CLASSES, **kwargs) -> dict:
    """A checkpoint with random weights, as MMDetection 2.0 saved it."""
    meta = dict(mmdet_version='2.0.0+unknown', CLASSES=classes, epoch=100, iter=366500)
    meta['config'] = CONFIG[detector] + IMAGES
    return with_random_weights(shapes_of(detector, len(classes), **kwargs), meta)


def with_random_weights(shapes: dict[str, tuple], meta: dict) -> dict:
    generator = torch.Generator().manual_seed(0)
    state_dict = OrderedDict()
    for name, shape in shapes.items():
        counter = name.endswith('num_batches_tracked')
        value = torch.rand(shape, generator=generator)
        state_dict[name] = torch.tensor(7) if counter else value
    return dict(meta=meta, state_dict=state_dict, optimizer=dict(state={}, param_groups=[]))


def renamed(detector: str, name: str) -> str:
    """The name in MMDetection 3 of a published weight."""
    old = {'atss': '.retina_', 'fovea': '.fovea_'}.get(detector)
    new = {'atss': '.atss_', 'fovea': '.conv_'}.get(detector)
    return name.replace(old, new) if old else name
