"""The anchors of the recipes match those that the configs generate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config

from alrp_mmdet.project.anchor_fit import best_anchor_iou
from alrp_mmdet.project.recipes import RECIPES, Recipe
from alrp_mmdet.project.settings import BASE_SCALES

MODELS = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
WIDTH, HEIGHT = 200, 136  # padded to 224 x 160


def build_generator(recipe: Recipe, base: int):
    cfg = Config.fromfile(MODELS / recipe.model_config)
    if 'rpn_head' in cfg.model:
        settings = {**cfg.model.rpn_head.anchor_generator, 'scales': [base]}
    else:
        settings = {**cfg.model.bbox_head.anchor_generator, 'octave_base_scale': base}
    return TASK_UTILS.build({**settings, '_scope_': 'mmdet'})


@pytest.mark.parametrize(
    'name, loss', [*((name, 'alrp') for name in RECIPES if RECIPES[name].anchors), ('atss', 'rs')]
)
@pytest.mark.parametrize('base', BASE_SCALES)
def test_best_anchor_matches_a_search_among_all(name, loss, base):
    recipe = RECIPES[name].with_loss(loss)
    anchors = recipe.anchors
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 1, (60, 2)) * (WIDTH - 12, HEIGHT - 12)
    side = np.minimum(rng.uniform(4, 190, (60, 2)), np.array([WIDTH, HEIGHT]) - corner)
    boxes = np.concatenate([corner, side], axis=1)
    found = best_anchor_iou(
        boxes,
        np.tile([WIDTH, HEIGHT], (60, 1)),
        anchors.strides,
        anchors.scales(base),
        anchors.ratios,
    )
    sizes = [(-(-160 // stride), -(-224 // stride)) for stride in anchors.strides]
    grid = torch.cat(build_generator(recipe, base).grid_priors(sizes, device='cpu')).double()
    corners = torch.from_numpy(np.concatenate([corner, corner + side], axis=1))
    expected = bbox_overlaps(corners, grid).max(dim=1).values.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
