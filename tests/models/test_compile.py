"""Whole detectors compiled by torch.compile, as the config option compile=True does."""

import pytest
import torch
from detector_batches import detector_batch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from tiny_detectors import tiny_config

from alrp_mmdet.models.micro_batches import MicroBatches


def gradients_of(model, forward, batch):
    """The loss, and the gradients of the parameters."""
    model.zero_grad()
    loss, _ = model.parse_losses(forward(**batch, mode='loss'))
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.slow
@pytest.mark.parametrize('micro_batch_size', [None, 1])
def test_a_compiled_detector_has_the_same_losses(micro_batch_size):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(tiny_config('retinanet', 3).model)
    model.train()
    for norm in (x for x in model.modules() if isinstance(x, torch.nn.BatchNorm2d)):
        norm.eval()  # the same in both passes
    batch = model.data_preprocessor(detector_batch((2, 1)), training=True)
    expected = gradients_of(model, model.forward, batch)
    if micro_batch_size is not None:
        MicroBatches(model, micro_batch_size).install()
    graphs = []

    def backend(graph, example_inputs):
        graphs.append({str(node.target) for node in graph.graph.nodes})
        return graph.forward

    found = gradients_of(model, torch.compile(model.forward, backend=backend), batch)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    names = set().union(*graphs)
    # torch does not compile what is forwarded in activation checkpoints.
    assert any('conv' in name for name in names) == (micro_batch_size is None)
    assert not any('cummax' in name or 'searchsorted' in name for name in names)
