"""What a GPU is waited for in a training step. On the CPU, operations are counted instead."""

import warnings
from pathlib import Path

import pytest
import torch
from head_helpers import OBJECTS, OTHERS, batch, build, features, total
from helpers_torch import HostReads

import alrp_mmdet
from alrp.ranking import devices

# Where waits are counted: not in MMDetection and autograd.
PACKAGES = str(Path(devices.__file__).parents[1]), str(Path(alrp_mmdet.__file__).parent)
LOSSES = {
    'APLoss': dict(type='APLoss'),
    'aLRPLoss': dict(type='aLRPLoss', self_balance=dict(interval=100)),
    'RankSortLoss': dict(type='RankSortLoss'),
}


@pytest.fixture
def gpu_path(monkeypatch):
    monkeypatch.setattr(devices, 'CPUS', set())


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('name', ['ALRPRetinaHead', 'ALRPATSSHead', 'ALRPFoveaHead'])
def test_a_gpu_is_waited_for_three_times_by_a_step(name, loss, gpu_path):
    head = build(name, loss_cls=LOSSES[loss])
    gt, metas = batch(OBJECTS, OTHERS)
    predictions = head.flatten(*head(features()))
    targets = head.assign(predictions, gt, metas)
    assert ((targets.labels >= 0) & (targets.labels < 3)).any()
    with HostReads() as waits:
        total(head.rank(predictions, targets)).backward()
    assert waits.names == [
        'nonzero',  # where the positives are among the priors
        'cpu',  # are labels and logits in range, and how many positives
        '_local_scalar_dense',  # are the localisation losses finite
    ]


def test_known_positives_are_not_looked_for_again(gpu_path):
    head = build('ALRPRetinaHead')
    predictions = head.flatten(*head(features()))
    targets = head.assign(predictions, *batch(OBJECTS, OTHERS))
    expected, pos_inds = head.rank(predictions, targets), targets.pos_inds(3)
    with HostReads() as waits:
        found = head.rank(predictions, targets, pos_inds=pos_inds)
    assert 'nonzero' not in waits.names
    assert expected['num_pos'] > 0 and found == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('loss', LOSSES)
def test_cuda_waits_three_times_in_a_step(loss, recwarn):
    head = build('ALRPRetinaHead', loss_cls=LOSSES[loss]).cuda()
    gt, metas = batch(OBJECTS, OTHERS)
    gt = [x.to('cuda') for x in gt]
    warnings.simplefilter('always')  # a line may wait more than once
    for mode in ('default', 'warn'):  # the first step allocates memory
        predictions = head.flatten(*head([x.cuda() for x in features()]))
        targets = head.assign(predictions, gt, metas)
        torch.cuda.set_sync_debug_mode(mode)
        try:
            total(head.rank(predictions, targets)).backward()
        finally:
            torch.cuda.set_sync_debug_mode('default')
    waits = [x.filename for x in recwarn if 'called a synchronizing' in str(x.message)]
    assert 1 <= sum(name.startswith(PACKAGES) for name in waits) <= 3, waits
