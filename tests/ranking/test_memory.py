"""What a loss and its gradient take beyond the logits: the gradient, and a fixed amount."""

import pytest
import torch
from helpers_torch import peak_memory

from alrp.ranking import alrp_loss, ap_loss, devices, rank_sort_loss

# (mean, standard deviation) of the logits of negatives and of positives, as in benchmarks/
STAGES = {
    'start': ((-4.6, 0.05), (-4.6, 0.05)),
    'mid': ((-4.0, 1.5), (-1.5, 1.5)),
    'trained': ((-9.0, 1.5), (1.0, 1.5)),
}
FIXED = 3 << 20  # temporaries of a part of the logits, and O(P)


def peak(loss, stage, num_pos, num_neg, tmp_path, dtype=torch.float32):
    torch.manual_seed(0)
    negatives, positives = STAGES[stage]
    logits = torch.empty(num_pos + num_neg).normal_(*negatives)
    logits[:num_pos].normal_(*positives)
    logits = logits.to(dtype).requires_grad_()
    targets = torch.zeros(len(logits))
    targets[:num_pos].uniform_(0.01, 1)
    targets[-num_neg // 10 :] = -1  # ignored
    labels, errors = targets.ceil().to(torch.int8), targets[:num_pos].clone().requires_grad_()
    run = {
        'ap': lambda: ap_loss(logits, labels).backward(),
        'alrp': lambda: sum(alrp_loss(logits, labels, errors)).backward(),
        'rank_sort': lambda: sum(rank_sort_loss(logits, targets)).backward(),
    }[loss]
    return peak_memory(run, tmp_path / 'trace.json'), logits.nbytes


@pytest.mark.parametrize('loss', ['ap', 'alrp', 'rank_sort'])
@pytest.mark.parametrize(
    'stage, dtype',
    [
        ('mid', torch.float32),
        ('trained', torch.float32),
        *(pytest.param(x, torch.bfloat16, marks=pytest.mark.slow) for x in STAGES),
    ],
)
def test_no_more_than_the_gradient(loss, stage, dtype, tmp_path):
    used, size = peak(loss, stage, 200, 1_000_000, tmp_path, dtype)
    assert size <= used <= size + FIXED


@pytest.mark.slow
@pytest.mark.parametrize('path', [{'cpu'}, set()], ids=['cpu', 'gpu'])
@pytest.mark.parametrize('stage', STAGES)
@pytest.mark.parametrize('loss', ['ap', 'alrp', 'rank_sort'])
def test_the_fixed_part_does_not_grow(loss, stage, path, tmp_path, monkeypatch):
    """Of two COCO images; temporaries of a GPU are larger."""
    monkeypatch.setattr(devices, 'CPUS', path)
    used, size = peak(loss, stage, 1000, 2_600_000, tmp_path)
    assert size <= used <= size + (FIXED if path else 2 * FIXED)
