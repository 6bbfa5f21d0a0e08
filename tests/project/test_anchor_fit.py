"""Anchors of the tables are those that the models of the configs generate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config

from alrp_mmdet.project.anchor_fit import best_iou
from alrp_mmdet.project.choices import BASE_SCALES, DETECTORS

MODELS = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
WIDTH, HEIGHT = 200, 136  # padded to 224 x 160


def generator_of(detector, base: int):
    cfg = Config.fromfile(MODELS / detector.base)
    if 'rpn_head' in cfg.model:
        settings = {**cfg.model.rpn_head.anchor_generator, 'scales': [base]}
    else:
        settings = {**cfg.model.bbox_head.anchor_generator, 'octave_base_scale': base}
    return TASK_UTILS.build({**settings, '_scope_': 'mmdet'})


@pytest.mark.parametrize('name', [name for name, d in DETECTORS.items() if d.anchors])
@pytest.mark.parametrize('base', BASE_SCALES)
def test_best_anchor_is_that_of_a_search_among_all(name, base):
    detector = DETECTORS[name]
    anchors = detector.anchors
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 1, (60, 2)) * (WIDTH - 12, HEIGHT - 12)
    side = np.minimum(rng.uniform(4, 190, (60, 2)), np.array([WIDTH, HEIGHT]) - corner)
    boxes = np.concatenate([corner, side], axis=1)
    found = best_iou(
        boxes,
        np.tile([WIDTH, HEIGHT], (60, 1)),
        anchors.strides,
        anchors.scales(base),
        anchors.ratios,
    )
    sizes = [(-(-160 // stride), -(-224 // stride)) for stride in anchors.strides]
    grid = torch.cat(generator_of(detector, base).grid_priors(sizes, device='cpu')).double()
    corners = torch.from_numpy(np.concatenate([corner, corner + side], axis=1))
    expected = bbox_overlaps(corners, grid).max(dim=1).values.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
