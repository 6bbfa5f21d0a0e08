"""Every config in configs/ trains and predicts; new ones are picked up automatically."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import CARAFEPack
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from alrp_mmdet.config.file import read_config
from alrp_mmdet.config.misspelt_settings import check_settings
from alrp_mmdet.models.loss_checks import check_losses
from alrp_mmdet.models.train_cfg_checks import check_train_cfg

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
TINY_COCO = ROOT.parent / 'shared' / 'data' / 'tiny_coco'
NAMES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.glob('[!_]*/*.py'))
# Tested every day, at least one of each detector; the others are slow tests.
DAILY = (
    'alrp_retinanet_r18_fpn_demo',
    'rs_retinanet_mobilenetv2',
    'rs_atss_r18',
    'alrp_fovea_r18',
    'rs_paa_r18',
    'rs_cascade-rcnn_r18',
    'rs_mask-rcnn_r18',
    'rs_faster-rcnn_mobilenetv2',
    'rs_solov2-light_r18',
    'rs_yolact_r18',
)
PARAMETERS = [
    pytest.param(name, marks=() if any(x in name for x in DAILY) else pytest.mark.slow)
    for name in NAMES
]


@pytest.fixture(scope='module')
def pictures(tmp_path_factory) -> Path:
    """A folder of four images, one without objects: from COCO if available, else random."""
    folder = tmp_path_factory.mktemp('pictures')
    if TINY_COCO.is_dir():
        content = json.loads((TINY_COCO / 'annotations/instances_train2017.json').read_text())
        crowded = {box['image_id'] for box in content['annotations'] if box['iscrowd']}
        images = [image for image in content['images'] if image['id'] not in crowded][:4]
        for image in images:
            shutil.copy(TINY_COCO / 'train2017' / image['file_name'], folder)
        boxes = content['annotations']
    else:
        images = [dict(id=i, file_name=f'{i}.jpg', width=160, height=96 + 16 * i) for i in range(4)]
        rng = np.random.default_rng(0)
        for image in images:
            picture = rng.integers(0, 255, (image['height'], image['width'], 3), dtype=np.uint8)
            cv2.imwrite(str(folder / image['file_name']), picture)
        corners = [[5, 5, 60, 50], [70, 20, 80, 70], [10, 30, 40, 60], [40, 10, 90, 80]]
        boxes = [
            dict(id=i, image_id=i % 3, bbox=box, area=box[2] * box[3], iscrowd=0)
            for i, box in enumerate(corners)
        ]
    with_objects = [image['id'] for image in images[:3]]
    boxes = [box for box in boxes if box['image_id'] in with_objects]
    (folder / 'boxes.json').write_text(json.dumps(dict(images=images, annotations=boxes)))
    return folder


def annotate(folder: Path, classes: tuple[str, ...]) -> str:
    """Write annotations whose objects have these classes in turn; returns the file name."""
    content = json.loads((folder / 'boxes.json').read_text())
    for i, box in enumerate(content['annotations']):
        box['category_id'] = i % len(classes)
        x, y, w, h = box['bbox']
        triangle = [x, y, x + w, y, x, y + h]
        box.setdefault('segmentation', [triangle])
    content['categories'] = [dict(id=i, name=name) for i, name in enumerate(classes)]
    path = folder / f'{len(classes)}_classes.json'
    path.write_text(json.dumps(content))
    return path.name


@pytest.mark.parametrize('name', PARAMETERS)
def test_config_passes_all_checks_of_the_tools(name):
    cfg = read_config(CONFIGS / name)
    check_settings(cfg, ('train', 'val', 'test'))
    check_losses(cfg.model)
    assert check_train_cfg(cfg.model) == []


def load(name: str, pictures: Path, tmp_path: Path) -> Config:
    """A config with random weights that reads small versions of the pictures."""
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    if 'drop_path_rate' in cfg.model.backbone:
        cfg.model.backbone.drop_path_rate = 0.0  # a dropped layer has no gradient
    if 'rpn' in cfg.model.get('train_cfg', ()):
        cfg.model.train_cfg.rpn.allowed_border = -1  # large anchors do not fit into small images
        for proposals in (cfg.model.train_cfg.rpn_proposal, cfg.model.test_cfg.rpn):
            proposals.max_per_img = 100  # 1000 take a minute
        stages = cfg.model.train_cfg.rcnn
        for stage in stages if isinstance(stages, list) else [stages]:  # few of 100 fit well
            stage.assigner.update(pos_iou_thr=0.2, neg_iou_thr=0.2, min_pos_iou=0.2)
    test_cfg = cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg)
    test_cfg.score_thr = 0.0  # untrained models score low
    if cfg.model.type == 'SOLOv2':
        test_cfg.update(filter_thr=0.0, mask_thr=0.0)
        grids = cfg.model.mask_head.num_grids
        cfg.model.mask_head.num_grids = [grid // 4 for grid in grids]  # as small as the images
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        if loader.dataset.type == 'ClassBalancedDataset':
            loader.dataset = loader.dataset.dataset
        dataset = loader.dataset
        if dataset.type in ('CocoDataset', 'LVISV1Dataset'):
            metainfo = DATASETS.get(dataset.type).METAINFO
            classes = dataset.get('metainfo', metainfo)['classes']
            dataset.update(data_root=str(pictures), data_prefix=dict(img=''))
            # LVISV1Dataset needs a package that reads the same format.
            dataset.update(type='CocoDataset', metainfo=dict(classes=classes))
            dataset.ann_file = annotate(pictures, classes)
        else:
            dataset.update(data_root=str(tmp_path), num_images=4)
        for step in dataset.pipeline:
            if step.type == 'Resize':
                step.scale = (160, 128)
            if step.type == 'RandomChoiceResize':
                step.scales = [(160, 96), (160, 128)]
    return cfg


def reassemble(carafe: CARAFEPack, features: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """CARAFE's second step (arXiv 1905.02188), which MMCV has for CUDA only."""
    count, channels, height, width = features.shape
    kernel, size = carafe.up_kernel, (carafe.scale_factor * height, carafe.scale_factor * width)
    neighbours = F.unfold(features, kernel, padding=kernel // 2).view(count, -1, height, width)
    neighbours = F.interpolate(neighbours, size).view(count, channels, kernel**2, *size)
    assert carafe.up_group == 1
    return (neighbours * masks[:, None]).sum(dim=2)


def with_gradient(model) -> set[str]:
    """Names of the parameters that got a gradient other than zero in the last step."""
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert [name for name, grad in gradients.items() if grad is None] == []
    return {name for name, grad in gradients.items() if grad.any()}


@pytest.mark.parametrize('name', PARAMETERS)
def test_config_trains_and_predicts(name, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(CARAFEPack, 'feature_reassemble', reassemble)
    cfg = load(name, pictures, tmp_path)
    assert eval(repr(cfg.to_dict())) == cfg.to_dict()  # a run can save it
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    if cfg.get('find_unused_parameters'):
        model.backbone.conv2.requires_grad_(False)  # MobileNetV2's last layer
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    model.train()
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    monkeypatch.setattr(optim_wrapper, 'zero_grad', lambda: None)  # keeps the gradients of a step
    # At the start, all logits are close, so that the negatives of every level count. The residual
    # branches of a ResNet have a gradient only after the first step.
    reached = set()
    for _ in range(2):
        model.zero_grad()
        losses = model.train_step(pseudo_collate([dataset[0], dataset[1]]), optim_wrapper)
        assert all(value.isfinite().all() for value in losses.values())
        assert losses['loss'] > 0
        reached |= with_gradient(model)
    # The box scales of levels without objects have no gradient.
    assert sorted(name for name in trained - reached if '.scales.' not in name) == []

    model.eval()
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    for result in model.test_step(pseudo_collate([dataset[0], dataset[-1]])):
        height, width = result.ori_shape
        boxes = result.pred_instances.bboxes
        assert len(boxes) > 0
        assert boxes.isfinite().all() and (boxes >= 0).all()
        assert (boxes <= torch.tensor([width, height, width, height]) + 1e-3).all()
        if getattr(model, 'with_mask', False):
            assert result.pred_instances.masks.shape == (len(boxes), height, width)
