"""Negatives found by the forward pass and cached for the backward pass."""

import numpy as np
import pytest
import reference
import torch
from helpers import run_alrp

from alrp.ranking import Ranking, negatives

NUM, PART = 4000, 512


@pytest.fixture
def trained(monkeypatch):
    """About 40 of 4000 negatives count, in 8 parts."""
    monkeypatch.setattr('alrp.ranking.chunking.CPU_CHUNK', PART // negatives.FEW_PARTS)
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(-9, 1.5, NUM), np.zeros(NUM, int)
    labels[rng.choice(NUM, 30, replace=False)] = 1
    logits[labels == 1] = rng.uniform(-4.5, 3, 30)
    labels[rng.choice(np.flatnonzero(labels == 0), 300, replace=False)] = -1
    return logits, labels, rng.uniform(0, 2, 30)


@pytest.mark.parametrize('room', [0, 15, negatives.MAX_CACHED])
def test_the_gradient_does_not_depend_on_what_is_cached(trained, room, monkeypatch):
    monkeypatch.setattr(negatives, 'MAX_CACHED', room)
    for ours, truth in zip(run_alrp(*trained), reference.alrp(*trained), strict=False):
        np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize('room', [0, 15, negatives.MAX_CACHED])
def test_the_first_parts_are_cached_while_there_is_room(trained, room, monkeypatch):
    monkeypatch.setattr(negatives, 'MAX_CACHED', room)
    logits, labels = (torch.as_tensor(x) for x in trained[:2])
    found = Ranking(logits, labels)._negatives
    first, second = list(found.parts(logits)), list(found.parts(logits))
    assert len(first) == -(-NUM // PART)
    same = [a is b for a, b in zip(first, second, strict=True)]
    assert same == sorted(same, reverse=True)
    assert sum(len(part.values) for part, cached in zip(first, same) if cached) <= room
    assert all(same) == (room == negatives.MAX_CACHED and room > 15)
    assert any(same) or room == 0
    for a, b in zip(first, second):
        assert a.place == b.place
        assert torch.equal(a.inds, b.inds) and torch.equal(a.values, b.values)


def test_parts_with_many_are_not_cached(trained):
    logits, labels = (torch.as_tensor(x) for x in trained[:2])
    logits = logits.where((labels != 0) | (torch.arange(NUM) % 8 > 0), 0.0)
    found = Ranking(logits, labels)._negatives
    assert not any(a is b for a, b in zip(found.parts(logits), found.parts(logits)))


@pytest.mark.parametrize('num', [0, 5, 8, 1000, 1003])
@pytest.mark.parametrize('fraction', [0, 0.01, 1])
def test_positives_are_found_in_any_number_of_logits(num, fraction):
    labels = (torch.rand(num, generator=torch.Generator().manual_seed(num)) < fraction).int()
    if num:
        labels[-1] = 1
    ranking = Ranking(torch.zeros(num), labels)
    assert torch.equal(ranking.pos_inds, labels.nonzero()[:, 0])
