"""Whether a checkpoint is one of a model: nothing that predicts may be missing."""

import pytest
import torch
from torch import nn

from alrp_mmdet.engine import CheckpointError
from alrp_mmdet.engine.fit import check_fit
from alrp_mmdet.models.losses import SelfBalance


def model(classes: int = 2) -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, classes))
    net.self_balance = SelfBalance()
    return net


@pytest.mark.parametrize('wrapped', [True, False])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_what_does_not_matter_may_be_missing_or_left_over(wrapped, prefix):
    weights = {
        prefix + key: value
        for key, value in model().state_dict().items()
        if 'num_batches_tracked' not in key and 'self_balance' not in key
    }
    weights['auxiliary.weight'] = torch.zeros(2)
    check_fit(model(), dict(state_dict=weights) if wrapped else weights, 'a.pth')


@pytest.mark.parametrize('key', ['0.weight', '1.running_mean', '2.bias'])
def test_what_predicts_may_not_be_missing(key):
    weights = model().state_dict()
    del weights[key]
    with pytest.raises(CheckpointError, match=rf'a\.pth is not a checkpoint of .* lacks {key}\.'):
        check_fit(model(), dict(state_dict=weights), 'a.pth')


def test_another_number_of_classes_is_named_with_both():
    message = r'another shape are 2\.weight \(2, 4\) instead of \(5, 4\), 2\.bias'
    with pytest.raises(CheckpointError, match=message):
        check_fit(model(classes=5), model().state_dict(), 'a.pth')


@pytest.mark.parametrize('content', [[1], {}, dict(state_dict=3), dict(meta=dict(), epoch=3)])
def test_no_weights_at_all(content):
    with pytest.raises(CheckpointError, match='holds no weights'):
        check_fit(model(), content, 'a.pth')
