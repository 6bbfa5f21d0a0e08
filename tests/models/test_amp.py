"""Training steps of whole detectors in mixed precision: bfloat16 on the CPU, float16 on a GPU."""

import math

import pytest
import torch
from detector_batches import detector_batch
from mmdet.registry import MODELS
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import init_default_scope
from tiny_detectors import tiny_config

import alrp_mmdet.models  # noqa: F401 - registers
from alrp_mmdet.optim import CPUAmpOptimWrapper


def train(family, loss, wrapper_type, device='cpu', **kwargs):
    """Losses of a few steps, and how far they moved the weights."""
    cfg = tiny_config(family, 3)
    for head in ('bbox_head', 'rpn_head'):
        for parent in (cfg.model, cfg.model.get('roi_head', {})):
            if head in parent:
                parent[head].loss_cls = dict(type=loss)
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.to(device).train()
    wrapper = wrapper_type(optimizer=torch.optim.SGD(model.parameters(), lr=0.01), **kwargs)
    before = [p.detach().clone() for p in model.parameters()]
    logs = []
    for _ in range(2):
        torch.manual_seed(1)
        logs.append(model.train_step(detector_batch((2, 0, 3)), wrapper))
    moved = [(p - old).abs().max() for p, old in zip(model.parameters(), before)]
    assert all(p.dtype == torch.float32 for p in model.parameters())
    return [{k: float(v) for k, v in log.items()} for log in logs], moved


@pytest.mark.parametrize(
    'family, loss',
    [
        ('retinanet', 'aLRPLoss'),
        ('retinanet', 'RankSortLoss'),
        pytest.param('retinanet', 'APLoss', marks=pytest.mark.slow),
        pytest.param('atss', 'RankSortLoss', marks=pytest.mark.slow),
    ],  # no R-CNN: MMCV's NMS on the CPU does not know bfloat16
)
def test_bfloat16_trains_like_float32(family, loss):
    exact, _ = train(family, loss, OptimWrapper)
    half, moved = train(family, loss, CPUAmpOptimWrapper)
    assert all(x.isfinite() for x in moved) and sum(bool(x) for x in moved) > len(moved) / 2
    for name in (name for name in exact[0] if 'loss' in name):
        assert half[0][name] == pytest.approx(exact[0][name], rel=0.1), name
    assert half[0] != exact[0]  # it did compute in bfloat16
    assert half[1] != half[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('loss', ['aLRPLoss', 'APLoss', 'RankSortLoss'])
@pytest.mark.parametrize('family', ['retinanet', 'atss', 'fovea', 'faster-rcnn'])
def test_float16_trains_like_float32(family, loss):
    exact, _ = train(family, loss, OptimWrapper, 'cuda')
    # A small scale: at the usual one, the first steps are skipped.
    half, moved = train(family, loss, AmpOptimWrapper, 'cuda', dtype='float16', loss_scale=8.0)
    assert all(x.isfinite() for x in moved) and sum(bool(x) for x in moved) > len(moved) / 2
    # The second stage of an R-CNN sees the proposals of the first, which rounding may exchange.
    first_stage = 'rpn_loss' if family == 'faster-rcnn' else 'loss'
    for name in (name for name in exact[0] if name.startswith(first_stage)):
        assert half[0][name] == pytest.approx(exact[0][name], rel=0.1), name
    assert all(math.isfinite(value) for value in half[1].values())
    assert half[0] != exact[0]
    assert half[1] != half[0]
