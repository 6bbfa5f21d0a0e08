"""Exported detectors match the model and run without MMDetection."""

import io
import json

import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope

import alrp_mmdet  # noqa: F401 - registers
from alrp_mmdet.deploy import export
from alrp_mmdet.deploy.export import export_metadata, onnx_function, to_onnx, to_torchscript
from alrp_mmdet.deploy.raw_detector import ExportError, RawDetector

WIDTH, HEIGHT = SIZE = 96, 64
STRIDES = [8, 16, 32]
ANCHORS = dict(type='AnchorGenerator', octave_base_scale=3, scales_per_octave=1, strides=STRIDES)
ENCODED = dict(type='DeltaXYWHBBoxCoder', target_stds=(0.1, 0.1, 0.2, 0.2))
HEADS = dict(
    RetinaNet=dict(
        type='ALRPRetinaHead', anchor_generator=dict(ANCHORS, ratios=[0.5, 1.0]), bbox_coder=ENCODED
    ),
    ATSS=dict(
        type='ALRPATSSHead', anchor_generator=dict(ANCHORS, ratios=[1.0]), bbox_coder=ENCODED
    ),
    FOVEA=dict(
        type='ALRPFoveaHead',
        strides=STRIDES,
        base_edge_list=[16, 32, 64],
        scale_ranges=((1, 64), (32, 128), (64, 256)),
    ),
)
CHANNELS = dict(num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1)


def config(name: str, **head) -> Config:
    preprocessor = dict(
        type='DetDataPreprocessor',
        mean=[120, 110, 100],
        std=[60, 50, 40],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    )
    model = dict(
        type=name,
        data_preprocessor=preprocessor,
        backbone=dict(
            type='ResNet',
            depth=18,
            stem_channels=8,
            base_channels=8,
            norm_eval=False,
            init_cfg=None,
        ),
        neck=dict(
            type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, start_level=1, num_outs=3
        ),
        bbox_head={**HEADS[name], **CHANNELS, **head},
        test_cfg=dict(
            nms_pre=1000,
            min_bbox_size=0,
            score_thr=0.1,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=100,
        ),
    )
    return Config(dict(model=model))


def build(cfg: Config) -> torch.nn.Module:
    """A detector with random weights and a wide range of scores and boxes."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for name, parameter in model.bbox_head.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.15 if 'cls' in name else 0.05)
    model.dataset_meta = dict(classes=('square', 'disc'))
    return model.eval()


def random_images(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, 3, HEIGHT, WIDTH), generator=generator).float()


def detections(scores, boxes, cfg):
    """Postprocess the exported outputs: threshold, NMS, maximum number."""
    prior, label = (scores > cfg.score_thr).nonzero().T
    score, box = scores[prior, label], boxes[prior]
    sized = (box[:, 2:] > box[:, :2]).all(1)
    score, box, label = score[sized], box[sized], label[sized]
    kept, index = batched_nms(box, score, label, cfg.nms)
    return kept[: cfg.max_per_img], label[index][: cfg.max_per_img]


@pytest.fixture(params=HEADS)
def cfg(request):
    return config(request.param)


def test_raw_scores_and_boxes_give_the_predictions_of_the_model(cfg):
    model = build(cfg)
    images = random_images(3)
    meta = dict(
        img_shape=(HEIGHT, WIDTH),
        ori_shape=(HEIGHT, WIDTH),
        scale_factor=(1.0, 1.0),
        batch_input_shape=(HEIGHT, WIDTH),
    )
    samples = [DetDataSample(metainfo=meta) for _ in images]
    with torch.no_grad():
        scores, boxes = RawDetector(model, cfg, SIZE)(images)
        predicted = model.test_step(dict(inputs=list(images.byte()), data_samples=samples))
    assert scores.shape[:2] == boxes.shape[:2]
    for i, sample in enumerate(predicted):
        kept, labels = detections(scores[i], boxes[i], cfg.model.test_cfg)
        found = sample.pred_instances
        assert len(found) > 3
        torch.testing.assert_close(kept[:, :4], found.bboxes, rtol=0, atol=1e-3)
        torch.testing.assert_close(kept[:, 4], found.scores, rtol=0, atol=1e-4)
        assert torch.equal(labels, found.labels)
    assert set(torch.cat([s.pred_instances.labels for s in predicted]).tolist()) == {0, 1}


def test_torchscript_matches_the_model_and_has_metadata(cfg):
    raw = RawDetector(build(cfg), cfg, SIZE)
    content = to_torchscript(raw, export_metadata(raw, cfg))
    files = {export.METADATA_KEY: ''}
    loaded = torch.jit.load(io.BytesIO(content), _extra_files=files)
    images = random_images(10)
    with torch.no_grad():
        for ours, theirs in zip(raw(images), loaded(images)):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    about = json.loads(files[export.METADATA_KEY])
    assert (about['classes'], about['size']) == (['square', 'disc'], [WIDTH, HEIGHT])
    assert about['pad'] == [100, 110, 120]  # normalised it is 0, as MMDetection pads
    assert about['test_cfg'] == cfg.model.test_cfg.to_dict()
    for wrong in ((1, 3, HEIGHT, WIDTH + 32), (1, 3, WIDTH, HEIGHT), (3, HEIGHT, WIDTH)):
        with pytest.raises(torch.jit.Error, match=r'exported for images \(N, 3, 64, 96\)'):
            loaded(torch.zeros(wrong))


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')  # of the exporter itself
def test_onnx_matches_the_model_for_any_number_of_images(cfg):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    raw = RawDetector(build(cfg), cfg, SIZE)
    content = to_onnx(raw, export_metadata(raw, cfg))
    run = onnx_function(content)
    images = random_images(10)
    for part in (images, images[:1], images[:3]):
        with torch.no_grad():
            expected = raw(part)
        for ours, theirs in zip(expected, run(part)):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    with pytest.raises(Exception, match='Got: 64 Expected: 96'):
        run(torch.zeros(1, 3, HEIGHT, 64))
    metadata = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
    assert json.loads(metadata[export.METADATA_KEY]) == export_metadata(raw, cfg)


def test_an_export_that_differs_from_the_model_is_refused(cfg):
    raw = RawDetector(build(cfg), cfg, SIZE)

    def off(images):
        scores, boxes = raw(images)
        return scores, boxes + 0.5

    with torch.no_grad(), pytest.raises(ExportError, match=r'boxes .* 0\.5'):
        export.check_equal(raw, off)


def test_missing_packages_of_onnx_are_listed(cfg, monkeypatch):
    raw = RawDetector(build(cfg), cfg, SIZE)
    monkeypatch.setattr(export.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ExportError, match='onnx and onnxscript'):
        to_onnx(raw, {})


@pytest.mark.parametrize(
    'size, message',
    [
        ((100, 64), 'width .* is 100, .* multiple of 32 .* 96$'),
        ((96, 0), 'height .* is 0, .* multiple of 32 .* 32$'),
    ],
)
def test_sizes_that_the_model_would_pad_are_refused(size, message):
    cfg = config('RetinaNet')
    with pytest.raises(ExportError, match=message):
        RawDetector(build(cfg), cfg, size)


def test_softmax_and_centerness_are_refused():
    softmax = config('RetinaNet')
    softmax.model.bbox_head.update(
        type='RetinaHead', loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False)
    )
    centerness = config('ATSS')
    centerness.model.bbox_head.update(type='ATSSHead', norm_cfg=None)
    for cfg, message in (
        (softmax, '^RetinaHead .*softmax'),
        (centerness, '^ATSSHead .*centerness'),
    ):
        with pytest.raises(ExportError, match=message):
            RawDetector(build(cfg), cfg, SIZE)


def test_a_head_with_its_own_predict_by_feat_is_refused():
    gfl = config('RetinaNet')
    gfl.model.type = 'GFL'
    gfl.model.bbox_head = dict(
        type='GFLHead',
        **CHANNELS,
        norm_cfg=None,
        anchor_generator=dict(ANCHORS, ratios=[1.0]),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True),
    )
    with pytest.raises(ExportError, match=r'^GFLHead .*predict_by_feat'):
        RawDetector(build(gfl), gfl, SIZE)


def test_a_head_with_a_third_output_is_refused(monkeypatch):
    cfg = config('RetinaNet')
    model = build(cfg)
    forward = model.bbox_head.forward
    monkeypatch.setattr(model.bbox_head, 'forward', lambda maps: (*forward(maps), maps))
    with pytest.raises(ExportError, match=r'^ALRPRetinaHead .* 3 outputs'):
        RawDetector(model, cfg, SIZE)


def test_two_stages_are_refused():
    with pytest.raises(ExportError, match=r'^Linear .*only one-stage'):
        RawDetector(torch.nn.Linear(2, 2), config('RetinaNet'), SIZE)
