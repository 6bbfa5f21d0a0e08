"""Whole detectors compiled by torch.compile, as the config option compile=True does."""

import pytest
import torch
from detector_batches import detector_batch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from tiny_detectors import tiny_config


@pytest.mark.slow
@pytest.mark.parametrize('family', ['retinanet', 'faster-rcnn'])
def test_a_compiled_detector_has_the_same_losses(family):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(tiny_config(family, 3).model)
    model.train()
    for norm in (x for x in model.modules() if isinstance(x, torch.nn.BatchNorm2d)):
        norm.eval()  # the same in both passes
    graphs = []

    def backend(graph, example_inputs):
        graphs.append({str(node.target) for node in graph.graph.nodes})
        return graph.forward

    compiled = torch.compile(model.forward, backend=backend)
    for counts in ((2, 1), (3, 0)):
        batch = model.data_preprocessor(detector_batch(counts), training=True)
        gradients = []
        for forward in (model.forward, compiled):
            model.zero_grad()
            torch.manual_seed(1)  # of samplers
            losses = forward(**batch, mode='loss')
            loss, _ = model.parse_losses(losses)
            loss.backward()
            gradients.append([loss.detach(), *(p.grad for p in model.parameters())])
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    assert any('conv' in name for graph in graphs for name in graph)
    assert not any('cummax' in name or 'searchsorted' in name for graph in graphs for name in graph)
