"""Training with --micro-batch-size, which ends like training without."""

import pytest
import torch
from run_helpers import StoppedError, derived, log_of

FROZEN = 'model = dict(backbone=dict(norm_eval=True))\ntrain_dataloader = dict(batch_size=4)\n'


@pytest.fixture
def frozen(config):
    """The tiny config without batch normalisation in training mode."""
    return derived(config, 'frozen', FROZEN)


def weights(folder, name='epoch_3.pth'):
    return torch.load(folder / name)['state_dict']


@pytest.mark.slow
def test_a_run_ends_with_the_weights_of_the_whole_batch(tmp_path, frozen, tool):
    ema = "custom_hooks = [dict(type='EMAHook', momentum=0.1)]"
    frozen = derived(frozen, 'ema', ema)
    tool('train.py', frozen, '--work-dir', 'whole')
    tool('train.py', frozen, '--work-dir', 'parts', '--micro-batch-size', '3')
    whole, parts = weights(tmp_path / 'whole'), weights(tmp_path / 'parts')
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-6, atol=1e-6)
    assert 'micro_batch_size=3: ' in log_of(tmp_path / 'parts')
    assert 'micro_batch_size=3: ' not in log_of(tmp_path / 'whole')


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(tmp_path, frozen, tool):
    config = derived(frozen, 'micro', 'micro_batch_size = 2')
    stop = "custom_hooks = [dict(type='StopForTest', after=3)]"
    stopped = derived(config, 'stopped', stop)
    tool('train.py', config, '--work-dir', 'whole')
    with pytest.raises(StoppedError):
        tool('train.py', stopped, '--work-dir', 'parts')
    tool('train.py', config, '--work-dir', 'parts', '--resume')
    whole, parts = weights(tmp_path / 'whole'), weights(tmp_path / 'parts')
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


@pytest.mark.parametrize(
    'settings, facts',
    [
        ('4', ('micro_batch_size=4', 'backbone (bn1', 'model.backbone.norm_eval=True')),
        ('0', ('micro_batch_size', 'positive', '0')),
    ],
)
def test_what_does_not_work_is_refused_before_training(config, tool, capsys, settings, facts):
    with pytest.raises(SystemExit) as error:
        tool('train.py', config, '--work-dir', 'run', '--micro-batch-size', settings)
    message = str(error.value)
    assert message.startswith('error: ') and all(fact in message for fact in facts)
    assert not list(config.parent.glob('run/*.pth'))
