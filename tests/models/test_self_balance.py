import uuid

import pytest
import torch
from mmengine.logging import MessageHub

from alrp_mmdet.models import SelfBalance


@pytest.fixture
def runtime():
    """A message hub as a runner would have it, in the first of three epochs."""
    hub = MessageHub.get_instance(f'self_balance_{uuid.uuid4()}')
    hub.update_info('max_epochs', 3)
    hub.update_info('epoch', 0)
    return hub


def step(balance, loss_cls, loss_loc):
    return balance(torch.tensor(loss_cls), torch.tensor(loss_loc)).item()


def test_weight_starts_at_50_and_follows_the_last_epoch(runtime):
    balance = SelfBalance()
    assert [step(balance, 0.9, 0.1), step(balance, 0.7, 0.3)] == [50, 50]
    runtime.update_info('epoch', 1)
    assert step(balance, 0.5, 0.5) == pytest.approx((1.6 + 0.4) / 0.4)
    assert step(balance, 0.1, 0.3) == pytest.approx((1.6 + 0.4) / 0.4)
    runtime.update_info('epoch', 2)
    assert step(balance, 0.0, 0.0) == pytest.approx((0.6 + 0.8) / 0.8)


def test_interval_counts_iterations():
    balance = SelfBalance(start_weight=10, interval=2)
    weights = [
        step(balance, *losses) for losses in [(0.9, 0.1), (0.5, 0.1), (1, 1), (1, 1), (0, 1)]
    ]
    assert weights == pytest.approx([10, 10, 8, 8, 2])


@pytest.mark.parametrize('interval', [None, 2])
def test_several_calls_in_an_iteration_are_one_step(runtime, interval):
    """Decoder layers that share a loss module: the first iteration must not start over."""
    balance = SelfBalance(interval=interval)
    for iteration in range(3):
        runtime.update_info('iter', iteration)
        runtime.update_info('epoch', iteration // 2)
        weights = [step(balance, 0.6, 0.2), step(balance, 0.3, 0.1)]
    assert weights == pytest.approx([4, 4])
    assert balance.steps == 3


def test_steps_without_objects_drop_out(runtime):
    balance = SelfBalance()
    step(balance, 0.6, 0.2)
    step(balance, 0.0, 0.0)
    runtime.update_info('epoch', 1)
    assert step(balance, 0.0, 0.0) == pytest.approx(4)
    runtime.update_info('epoch', 2)  # an epoch without any object leaves the weight as it is
    assert step(balance, 0.6, 0.3) == pytest.approx(4)


def test_evaluation_changes_nothing(runtime):
    balance = SelfBalance().eval()
    step(balance, 0.6, 0.2)
    runtime.update_info('epoch', 1)
    assert step(balance, 0.6, 0.2) == 50
    assert balance.steps == 0 and not balance.loss_sums.any()


@pytest.mark.parametrize('interval', [None, 3])
def test_state_dict_holds_all_state(runtime, interval):
    losses = torch.rand(12, 2, generator=torch.Generator().manual_seed(0))

    def weights(balance, steps):
        out = []
        for i in steps:
            runtime.update_info('epoch', i // 5)
            out.append(step(balance, *losses[i].tolist()))
        return out

    whole, first, resumed = (SelfBalance(interval=interval) for _ in range(3))
    expected = weights(whole, range(12))
    stopped = weights(first, range(7))
    resumed.load_state_dict(first.state_dict())
    assert stopped + weights(resumed, range(7, 12)) == expected
    assert len(set(expected)) > 2


@pytest.mark.parametrize('interval', [None, 2])
def test_a_new_run_from_a_checkpoint_starts_over(runtime, interval):
    trained = SelfBalance(interval=interval)
    for i in range(5):
        runtime.update_info('iter', i)
        runtime.update_info('epoch', i // 2)
        step(trained, 0.9, 0.1)
    assert trained.weight == pytest.approx(10)
    runtime.update_info('iter', 0)
    runtime.update_info('epoch', 0)
    balance = SelfBalance(start_weight=7, interval=interval)
    balance.load_state_dict(trained.state_dict())
    assert step(balance, 0.6, 0.2) == 7
    runtime.update_info('iter', 1)
    assert step(balance, 0.6, 0.2) == 7
    runtime.update_info('iter', 2)
    runtime.update_info('epoch', 1)
    assert step(balance, 0.1, 0.1) == pytest.approx(4)


@pytest.fixture
def printed(monkeypatch):
    texts = []
    monkeypatch.setattr(
        'alrp_mmdet.models.losses.self_balance.print_log', lambda text, **_: texts.append(text)
    )
    return texts


@pytest.mark.parametrize('max_epochs, warnings', [(1, 1), (2, 0)])
def test_single_epoch_is_warned_of_once(runtime, printed, max_epochs, warnings):
    runtime.update_info('max_epochs', max_epochs)
    balance = SelfBalance()
    step(balance, 0.6, 0.2)
    step(balance, 0.6, 0.2)
    assert len(printed) == warnings
    assert all('self_balance=dict(interval=n)' in text for text in printed)


@pytest.mark.parametrize('published, steps', [(False, 1), (True, 9)])
def test_a_loop_without_epochs_is_warned_of_once(runtime, printed, published, steps):
    """A loop without a runner, and one whose epoch stays at 0 while four steps are an epoch."""
    if published:
        runtime.update_info('max_iters', 12)
    else:
        runtime.runtime_info.pop('epoch')
    balance = SelfBalance()
    for i in range(12):
        assert len(printed) == (i >= steps)
        if published:
            runtime.update_info('iter', i)
        assert step(balance, 0.6, 0.2) == 50
    assert len(printed) == 1 and 'end_period()' in printed[0] and 'interval=n' in printed[0]


def test_a_usual_run_is_not_warned_of(runtime, printed):
    runtime.update_info('max_iters', 12)
    balance = SelfBalance()
    for i in range(12):
        runtime.update_info('epoch', i // 4)
        runtime.update_info('iter', i)
        step(balance, 0.6, 0.2)
    assert printed == []


@pytest.mark.parametrize('interval', [None, 100])
def test_a_loop_of_your_own_ends_periods(runtime, printed, interval):
    runtime.runtime_info.pop('epoch')
    balance = SelfBalance(interval=interval)
    step(balance, 0.9, 0.1)
    step(balance, 0.7, 0.3)
    balance.end_period()
    assert step(balance, 0.5, 0.5) == pytest.approx((1.6 + 0.4) / 0.4)
    balance.end_period()
    assert step(balance, 0.5, 0.5) == pytest.approx(2)
    balance.end_period()
    balance.end_period()  # without a step, nothing changes
    assert balance.weight == pytest.approx(2)


@pytest.mark.parametrize(
    'name, bad',
    [
        *(('start_weight', value) for value in (0, -1, float('inf'), float('nan'), '50')),
        *(('interval', value) for value in (0, 1.5, '2', True)),
    ],
)
def test_bad_arguments(name, bad):
    with pytest.raises(ValueError, match=rf'self_balance\.{name} must be .*, got {bad!r}'):
        SelfBalance(**{name: bad})
