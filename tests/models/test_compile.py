"""Whole detectors compiled by torch.compile, as the config option compile=True does."""

import pytest
import torch
from detector_batches import detector_batch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from tiny_detectors import tiny_config


@pytest.mark.slow
def test_a_compiled_detector_has_the_same_losses():
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(tiny_config('retinanet', 3).model)
    model.train()
    for norm in (x for x in model.modules() if isinstance(x, torch.nn.BatchNorm2d)):
        norm.eval()  # the same in both passes
    graphs = []

    def backend(graph, example_inputs):
        graphs.append({str(node.target) for node in graph.graph.nodes})
        return graph.forward

    compiled = torch.compile(model.forward, backend=backend)
    batch = model.data_preprocessor(detector_batch((2, 1)), training=True)
    gradients = []
    for forward in (model.forward, compiled):
        model.zero_grad()
        loss, _ = model.parse_losses(forward(**batch, mode='loss'))
        loss.backward()
        found = [p.grad for p in model.parameters() if p.grad is not None]
        gradients.append([loss.detach(), *found])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    assert any('conv' in name for graph in graphs for name in graph)
    assert not any('cummax' in name or 'searchsorted' in name for graph in graphs for name in graph)
