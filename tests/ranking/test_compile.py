"""Losses in functions compiled by torch.compile."""

import pytest
import torch

from alrp.ranking import alrp_loss, ap_loss, rank_sort_loss

LOSSES = {
    'ap': lambda logits, labels, errors: ap_loss(logits, labels),
    'alrp': lambda logits, labels, errors: sum(alrp_loss(logits, labels, errors)),
    'rank_sort': lambda logits, labels, errors: sum(rank_sort_loss(logits, labels / 2)),
}


@pytest.mark.parametrize(
    'loss', ['ap', *(pytest.param(x, marks=pytest.mark.slow) for x in ('alrp', 'rank_sort'))]
)
@pytest.mark.parametrize('with_backward', [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_rest_is_compiled_once_and_the_losses_never(loss, with_backward):
    torch._dynamo.reset()
    graphs = []

    def backend(graph, example_inputs):
        graphs.append({node.op + str(node.target) for node in graph.graph.nodes})
        return graph.forward

    def step(weight, x, labels, errors):
        value = LOSSES[loss]((weight * x).sin(), labels, errors)
        if with_backward:  # as in the train_step of a model
            value.backward()
        return value

    def gradient_of(run, weight, *args):
        weight = weight.detach().requires_grad_()
        value = run(weight, *args)
        if not with_backward:
            value.backward()
        return weight.grad

    compiled = torch.compile(step, backend=backend)
    for num_pos in (3, 7, 5):
        x, weight = torch.randn(50), torch.randn(50)
        labels = (torch.arange(50) < num_pos).int()
        args = weight, x, labels, torch.rand(num_pos)
        gradients = [gradient_of(run, *args) for run in (step, compiled)]
        assert torch.equal(*gradients) and gradients[0].any()
        if num_pos == 7:  # from then on, shapes are dynamic
            num_graphs = len(graphs)
    assert 0 < len(graphs) == num_graphs
    assert any('sin' in name for graph in graphs for name in graph)
    ours = 'sort', 'index_copy', 'index_select'
    assert not any(word in name for graph in graphs for name in graph for word in ours)
