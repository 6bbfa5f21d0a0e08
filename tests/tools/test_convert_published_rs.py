"""Convert checkpoints of the published code of RS Loss and of bucketed ranking."""

import functools
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from published_checkpoints import CLASSES
from published_rs_checkpoints import DETECTORS, config_text, published_rs, shapes_of

from alrp_mmdet.transfer.checkpoint_config import parse_literals
from alrp_mmdet.transfer.fine_tuning import check_fits
from alrp_mmdet.transfer.published import published_config
from alrp_mmdet.transfer.safe_loading import CheckpointError

CONFIGS = Path(__file__).parents[2] / 'configs'
SMALL = dict(in_channels=8, feat_channels=8)
GN = dict(type='GN', num_groups=4)
BOX_HEAD = dict(in_channels=8, fc_out_channels=16, num_classes=3)
ROI_HEAD = dict(bbox_roi_extractor=dict(out_channels=8), bbox_head=BOX_HEAD)
MASK_HEAD = dict(in_channels=8, conv_out_channels=8, num_classes=3)
HEADS = {
    'atss': dict(bbox_head=dict(**SMALL, stacked_convs=1, num_classes=3, norm_cfg=GN)),
    'faster-rcnn': dict(rpn_head=SMALL, roi_head=ROI_HEAD),
    'cascade-rcnn': dict(
        rpn_head=SMALL, roi_head=dict(ROI_HEAD, bbox_head=dict.fromkeys('012', BOX_HEAD))
    ),
    'mask-rcnn': dict(
        rpn_head=SMALL,
        roi_head=dict(ROI_HEAD, mask_roi_extractor=dict(out_channels=8), mask_head=MASK_HEAD),
    ),
    'yolact': dict(
        bbox_head=dict(**SMALL, num_classes=3), mask_head=dict(in_channels=8, num_classes=3)
    ),
}
HEADS['paa'] = HEADS['atss']


def small_config(detector: str) -> Config:
    cfg = Config.fromfile(CONFIGS / '_base_' / 'models' / f'rs_{detector}_r50_fpn.py')
    backbone = dict(stem_channels=4, base_channels=4, init_cfg=None)
    neck = dict(in_channels=[16, 32, 64, 128], out_channels=8)
    cfg.merge_from_dict(dict(model=dict(HEADS[detector], backbone=backbone, neck=neck)))
    return cfg


@pytest.fixture
def run_tool(script):
    return functools.partial(script, 'checkpoints/convert_published.py')


@pytest.fixture
def convert(tmp_path, run_tool):
    """Writes a checkpoint and a small config, and runs the tool on them."""

    def run(detector: str, checkpoint) -> Path:
        torch.save(checkpoint, tmp_path / 'old.pth')
        path = tmp_path / f'{detector}.py'
        small_config(detector).dump(path)
        run_tool('old.pth', 'new.pth', '--config', path)
        return path

    return run


@pytest.mark.parametrize('detector', DETECTORS)
def test_every_weight_is_converted(tmp_path, convert, capsys, detector):
    checkpoint = published_rs(detector)
    config = convert(detector, checkpoint)
    assert 'note' not in capsys.readouterr().out

    converted = torch.load(tmp_path / 'new.pth', weights_only=True)
    assert converted['meta'] == dict(
        dataset_meta=dict(classes=CLASSES),
        epoch=12,
        iter=87960,
        converted_from='MMDetection 2.6.0+5bcd09f',
    )
    weights, old = converted['state_dict'], checkpoint['state_dict']
    assert weights.keys() == old.keys()
    assert all(torch.equal(weights[name], value) for name, value in old.items())
    model = MODELS.build(Config.fromfile(config).model)
    check_fits(model, load_checkpoint(model, str(tmp_path / 'new.pth')), 'new.pth', CLASSES)
    assert torch.equal(
        model.state_dict()['neck.fpn_convs.2.conv.bias'], old['neck.fpn_convs.2.conv.bias']
    )


def layout(detector: str, **kwargs) -> dict:
    full = dict(classes=80, width=64, stem=64, fpn=256, hidden=1024, convs=4)
    shapes = shapes_of(detector, **full | kwargs)
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def trained(detector: str, loss: object = 'RankSort') -> dict:
    return parse_literals(config_text(detector, loss))['model']


R101 = dict(depth=101)
DCN = dict(depth=101, deform_groups=4)
X101 = dict(DCN, groups=64, base_width=4)
CARAFE = dict(with_carafe=True)
FASTER, MASK = 'faster_rcnn/rs_faster-rcnn', 'mask_rcnn/rs_mask-rcnn'
PUBLISHED = [
    ('atss', {}, 'atss/rs_atss_r50_fpn_1x_coco'),
    ('paa', {}, 'paa/rs_paa_r50_fpn_1x_coco'),
    ('faster-rcnn', {}, f'{FASTER}_r50_fpn_1x_coco'),
    ('cascade-rcnn', {}, 'cascade_rcnn/rs_cascade-rcnn_r50_fpn_1x_coco'),
    ('mask-rcnn', {}, f'{MASK}_r50_fpn_1x_coco'),
    ('mask-rcnn', X101 | CARAFE, f'{MASK}_x101-64x4d-dconv-c3-c5_fpn-carafe_ms-3x_coco'),
    ('mask-rcnn', dict(classes=1203), f'{MASK}_r50_fpn_sample1e-3_ms-1x_lvis-v1'),
    ('yolact', {}, 'yolact/rs_yolact_r50_fpn_55e_coco'),
]
PUBLISHED_TOO = [
    ('faster-rcnn', CARAFE, f'{FASTER}_r50_fpn-carafe_1x_coco'),
    ('faster-rcnn', DCN, f'{FASTER}_r101-dconv-c3-c5_fpn_ms-3x_coco'),
    ('faster-rcnn', DCN | CARAFE, f'{FASTER}_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco'),
    ('mask-rcnn', CARAFE, f'{MASK}_r50_fpn-carafe_1x_coco'),
    ('mask-rcnn', R101, f'{MASK}_r101_fpn_ms-640-800-3x_coco'),
    ('mask-rcnn', R101 | CARAFE, f'{MASK}_r101_fpn-carafe_ms-3x_coco'),
    ('mask-rcnn', DCN | CARAFE, f'{MASK}_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco'),
]
PUBLISHED += [pytest.param(*values, marks=pytest.mark.slow) for values in PUBLISHED_TOO]


@pytest.mark.parametrize('detector, options, config', PUBLISHED, ids=lambda x: str(x)[-40:])
def test_config_is_found_and_all_shapes_match_its_model(detector, options, config):
    weights = layout(detector, **options)
    path = published_config(weights, 'old.pth', CONFIGS, trained(detector))
    assert path == CONFIGS / f'{config}.py'
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(path).model)
    own = {name: value.shape for name, value in model.state_dict().items()}
    assert own == {name: value.shape for name, value in weights.items()}


@pytest.mark.parametrize('detector', ['cascade-rcnn', 'mask-rcnn', 'yolact'])
def test_layouts_of_rs_loss_alone_need_no_config_text(detector):
    path = published_config(layout(detector), 'old.pth', CONFIGS)
    assert path.name.startswith(f'rs_{detector}_r50_fpn_')


@pytest.mark.parametrize(
    'loss, name',
    [
        ('BucketedRankSort', 'rs_faster-rcnn_r50_fpn_1x_coco'),
        (dict(type='BucketedRankSort', loss_weight=1.0), 'rs_faster-rcnn_r50_fpn_1x_coco'),
        (dict(type='aLRP'), 'alrp_faster-rcnn_r50_fpn_1x_coco'),
    ],
)
def test_the_loss_comes_from_the_config_text(loss, name):
    path = published_config(layout('faster-rcnn'), 'old.pth', CONFIGS, trained('faster-rcnn', loss))
    assert path.stem == name


def test_another_loss_in_the_config_text():
    with pytest.raises(CheckpointError, match=r"old\.pth.*'DRLoss'.*RankSort.*--config"):
        published_config(layout('atss'), 'old.pth', CONFIGS, trained('atss', 'DRLoss'))


@pytest.mark.parametrize(
    'detector, loss', [('atss', 'BucketedRankSort'), ('paa', 'BucketedAPLoss')]
)
def test_checkpoints_of_bucketed_ranking(tmp_path, convert, detector, loss):
    checkpoint = published_rs(detector, loss=loss)
    checkpoint['meta']['mmdet_version'] = '2.25.3+2da1196'
    convert(detector, checkpoint)
    assert 'state_dict' in torch.load(tmp_path / 'new.pth')


@pytest.mark.parametrize(
    'detector, message', [('atss', 'ATSS.*PAA'), ('paa', 'ATSS.*PAA'), ('faster-rcnn', 'aLRP.*RS')]
)
def test_ambiguous_layouts_need_a_config_text_or_a_config(
    tmp_path, convert, capsys, detector, message
):
    with pytest.raises(CheckpointError, match=rf'old\.pth.*{message}.*--config'):
        published_config(layout(detector), 'old.pth', CONFIGS)
    checkpoint = published_rs(detector)
    del checkpoint['meta']['config']
    convert(detector, checkpoint)
    assert 'no config text' in capsys.readouterr().out
    assert (tmp_path / 'new.pth').is_file()


@pytest.mark.parametrize(
    'given, config, names',
    [
        ('paa', 'atss', 'PAA.*ATSS'),
        ('atss', 'paa', 'ATSS.*PAA'),
        ('mask-rcnn', 'faster-rcnn', r'Mask R-CNN.*FasterRCNN'),
        ('yolact', 'atss', 'YOLACT.*ATSS'),
        ('cascade-rcnn', 'mask-rcnn', r'Cascade R-CNN.*MaskRCNN'),
    ],
)
def test_another_detector_is_refused(tmp_path, convert, given, config, names):
    checkpoint = published_rs(given)
    if given == 'yolact':  # else its anchors are refused first
        del checkpoint['meta']['config']
    with pytest.raises(SystemExit, match=rf'error: old\.pth.*{names}'):
        convert(config, checkpoint)
    assert not (tmp_path / 'new.pth').exists()


def resized(*names: str, rows: int):
    """Changes the number of outputs of layers."""

    def change(state_dict):
        for name in names:
            for kind in ('weight', 'bias'):
                old = state_dict[f'{name}.{kind}']
                state_dict[f'{name}.{kind}'] = old.new_ones(rows, *old.shape[1:])

    return change


@pytest.mark.parametrize(
    'detector, change, message',
    [
        # A softmax, as in MMDetection's own heads, has an output for the background.
        (
            'faster-rcnn',
            resized('roi_head.bbox_head.fc_cls', rows=4),
            'bbox_head.fc_cls: .*checkpoint has an output for the background',
        ),
        (
            'yolact',
            resized('bbox_head.conv_cls', rows=12),
            'bbox_head.conv_cls: 4 classes in the checkpoint, 3',
        ),
        (
            'mask-rcnn',
            resized('roi_head.mask_head.conv_logits', rows=4),
            'conv_logits: 4 classes .* 3 in the model',
        ),
        ('faster-rcnn', resized('rpn_head.rpn_cls', rows=6), r'rpn_cls: .*6 x 8 .* 3 x 8'),
        (
            'yolact',
            lambda weights: weights.update({'segm_head.segm_conv.bias': torch.ones(3)}),
            'segm_head: not in the model',
        ),
        (
            'paa',
            lambda weights: weights.update({'bbox_head.atss_centerness.bias': torch.ones(3)}),
            'bbox_head.atss_centerness: not in the model',
        ),
        (
            'atss',
            lambda weights: weights.pop('bbox_head.scales.4.scale'),
            r'scales\.4: not in the checkpoint',
        ),
        (
            'mask-rcnn',
            lambda weights: weights.pop('roi_head.mask_head.upsample.bias'),
            'mask_head.upsample: bias not',
        ),
    ],
)
def test_other_layers_are_refused(tmp_path, convert, detector, change, message):
    checkpoint = published_rs(detector)
    change(checkpoint['state_dict'])
    with pytest.raises(SystemExit, match=rf'(?s)error: old\.pth.*{message}'):
        convert(detector, checkpoint)
    assert not (tmp_path / 'new.pth').exists()


def test_other_strides_of_yolact_are_refused(convert):
    checkpoint = published_rs('yolact')
    text = checkpoint['meta']['config']
    checkpoint['meta']['config'] = text.replace(str(550 / 69), '8')
    with pytest.raises(SystemExit, match=r'old\.pth(?s:.*)bbox_head.*strides: \[8, '):
        convert('yolact', checkpoint)


def test_averages_of_the_ema_hook_are_dropped(tmp_path, convert, capsys):
    checkpoint = published_rs('atss')
    weights = checkpoint['state_dict']
    averages = {f'ema_{name.replace(".", "_")}': torch.zeros_like(x) for name, x in weights.items()}
    checkpoint['state_dict'] = {**weights, **averages}
    convert('atss', checkpoint)
    assert f'{len(averages)} buffers ema_' in capsys.readouterr().out
    converted = torch.load(tmp_path / 'new.pth')['state_dict']
    assert all(torch.equal(converted[name], x) for name, x in weights.items())
    assert not converted.keys() & averages.keys()
