import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st

from alrp.ranking import step_sums


def check(queries, keys, delta, weights=None):
    tensors = [None if x is None else torch.as_tensor(x) for x in (queries, keys, weights)]
    ours = step_sums(tensors[0], tensors[1], delta, tensors[2])
    assert ours.dtype == torch.float64 and ours.shape == tensors[0].shape
    total = len(keys) if weights is None else np.abs(weights).sum()
    expected = reference.step_sums(queries, keys, delta, weights)
    np.testing.assert_allclose(ours, expected.reshape(-1), rtol=1e-9, atol=1e-11 * (1 + total))


@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from([1e-3, 0.1, 1.0, 100.0]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_equals_the_matrix(num_queries, num_keys, delta, on_grid, weighted, seed):
    rng = np.random.default_rng(seed)
    queries, keys = rng.normal(size=num_queries), rng.normal(size=num_keys)
    if on_grid:
        queries, keys = np.round(2 * queries) / 2, np.round(2 * keys) / 2
    check(queries, keys, delta, rng.normal(size=num_keys) if weighted else None)


@pytest.mark.parametrize('sizes', [(3, 150_000), (150_000, 3)])
@pytest.mark.parametrize('scale', [1e-3, 1.0, 1e4])
def test_many_against_few(sizes, scale):
    rng = np.random.default_rng(0)
    queries, keys = (rng.normal(size=size) * scale for size in sizes)
    weights = rng.uniform(size=sizes[1])
    ours = step_sums(torch.as_tensor(queries), torch.as_tensor(keys), 1.0, torch.as_tensor(weights))
    expected = reference.step(keys[None, :] - queries[:, None], 1.0) @ weights
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-11)


def test_small_sums_keep_their_relative_precision():
    """A sum of nearly nothing must not drown in the rounding of large ones."""
    keys = np.concatenate([np.linspace(-900, -100, 5000), [1e-9 - 1]])
    ours = step_sums(torch.tensor([0.0, -500.0]), torch.as_tensor(keys), 1.0)
    assert ours[0].item() == pytest.approx(0.5e-9, rel=1e-6)


@pytest.mark.parametrize(
    'args, message',
    [
        ((torch.zeros(2, 1), torch.zeros(2), 1.0), 'one-dimensional'),
        ((torch.zeros(2), torch.zeros(2), 1.0, torch.zeros(3)), 'one weight per key'),
        ((torch.zeros(2), torch.zeros(2), 0.0), 'delta'),
        ((torch.zeros(2), torch.zeros(2), float('inf')), 'delta'),
        ((torch.zeros(0), torch.zeros(0), -1.0), 'delta'),
    ],
)
def test_bad_input(args, message):
    with pytest.raises(ValueError, match=message):
        step_sums(*args)
