"""What a resumed run takes from the config, and what from the checkpoint."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS, PARAM_SCHEDULERS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from alrp_mmdet.hooks.resume_hook import _not_applied
from alrp_mmdet.transfer.resuming import apply_settings, check_resumable
from alrp_mmdet.transfer.safe_loading import CheckpointError

WARMUP = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6)
STEP = dict(type='MultiStepLR', by_epoch=True, begin=0, end=9, milestones=[2, 5])
COSINE = dict(
    type='CosineAnnealingLR',
    by_epoch=True,
    begin=0,
    end=9,
    eta_min=1e-3,
    convert_to_iter_based=True,
)
SGD = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4)
PLATEAU = dict(type='ReduceOnPlateauLR', monitor='loss', patience=0)


class Run:
    """The optimizer and schedule of a run, without a model to train."""

    def __init__(self, optimizer=SGD, schedule=(WARMUP, STEP), epoch_length=4, **wrapper):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
        groups = wrapper.pop('groups', 1)
        kinds = dict(SGD=torch.optim.SGD, AdamW=torch.optim.AdamW, Adam=torch.optim.Adam)
        arguments = dict(optimizer)
        kind = kinds[arguments.pop('type')]
        params = list(self.model.parameters())
        if groups > 1:
            params = [dict(params=[p]) for p in params]
        self.wrapper = OPTIM_WRAPPERS.build(
            dict(type='OptimWrapper', optimizer=kind(params, **arguments), **wrapper)
        )
        self.schedulers = []
        for cfg in schedule:
            cfg, length = dict(cfg), dict()
            if cfg.get('convert_to_iter_based'):
                length = dict(epoch_length=epoch_length)
            cls = PARAM_SCHEDULERS.get(cfg.pop('type'))
            if cfg.pop('convert_to_iter_based', False):
                self.schedulers.append(cls.build_iter_from_epoch(self.wrapper, **cfg, **length))
            else:
                self.schedulers.append(cls(self.wrapper, **cfg))
        self.loop = object.__new__(EpochBasedTrainLoop)
        self.loop.dataloader = range(epoch_length)
        self.epoch = self.iter = 0

    def train(self, epochs):
        for _ in range(epochs):
            for _ in self.loop.dataloader:
                self.wrapper.update_params(self.model(torch.ones(1, 3)).square().sum() + 1)
                self.iter += 1
                for scheduler in self.schedulers:
                    if not scheduler.by_epoch:
                        scheduler.step()
            for scheduler in self.schedulers:
                if scheduler.by_epoch:
                    scheduler.step()
            self.epoch += 1
        return self

    def checkpoint(self):
        return copy.deepcopy(
            dict(
                meta=dict(epoch=self.epoch, iter=self.iter),
                optimizer=self.wrapper.state_dict(),
                param_schedulers=[scheduler.state_dict() for scheduler in self.schedulers],
            )
        )

    def resume(self, checkpoint):
        """What ResumeHook and MMEngine do with a checkpoint."""
        changes = apply_settings(checkpoint, self.wrapper, self.schedulers, self.loop)
        self.epoch, self.iter = checkpoint['meta']['epoch'], checkpoint['meta']['iter']
        self.wrapper.load_state_dict(checkpoint['optimizer'])
        for scheduler, state in zip(self.schedulers, checkpoint['param_schedulers']):
            scheduler.load_state_dict(state)
        return changes

    @property
    def group(self):
        return self.wrapper.optimizer.param_groups[0]


@pytest.mark.parametrize('schedule', [(WARMUP, STEP), (WARMUP, COSINE), ()])
@pytest.mark.parametrize('groups', [1, 4])
def test_without_a_change_the_checkpoint_is_not_touched(schedule, groups):
    saved = Run(schedule=schedule, groups=groups).train(3).checkpoint()
    before = copy.deepcopy(saved)
    run = Run(schedule=schedule, groups=groups)
    assert apply_settings(saved, run.wrapper, run.schedulers, run.loop) == []
    assert saved['optimizer']['param_groups'] == before['optimizer']['param_groups']
    assert saved['param_schedulers'] == before['param_schedulers']


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(optimizer=dict(SGD, lr=0.02)), 'lr 0.1 -> 0.02'),
        (dict(optimizer=dict(SGD, weight_decay=0.01)), 'weight_decay 0.0001 -> 0.01'),
        (dict(optimizer=dict(SGD, momentum=0.5)), 'momentum 0.9 -> 0.5'),
        (dict(schedule=(WARMUP, dict(STEP, milestones=[4, 8]))), 'milestones [2, 5] -> [4, 8]'),
        (dict(schedule=(WARMUP, dict(STEP, gamma=0.5))), 'MultiStepLR.gamma 0.1 -> 0.5'),
        (dict(schedule=(dict(WARMUP, end=20), STEP)), 'LinearLR.end 6 -> 20'),
        (dict(schedule=(STEP,)), '2 -> 1 entries (MultiStepLR)'),
        (dict(schedule=(WARMUP, COSINE)), 'another CosineAnnealingLR'),
        (dict(schedule=()), '2 -> 0 entries'),
        (dict(epoch_length=2), 'iterations per epoch 4 -> 2'),
        (dict(epoch_length=3), 'iterations per epoch 4 -> 3'),
    ],
)
@pytest.mark.parametrize('groups', [1, 4])
def test_changed_settings_apply_as_if_from_the_start(change, message, groups):
    saved = Run(groups=groups).train(3).checkpoint()
    momentum = [state['momentum_buffer'] for state in saved['optimizer']['state'].values()]
    expected, run = (Run(**change, groups=groups) for _ in range(2))
    expected.train(3)
    assert message in '; '.join(run.resume(saved))
    for _ in range(3):
        assert (run.epoch, run.iter) == (expected.epoch, expected.iter)
        for key in ('lr', 'weight_decay', 'momentum'):
            assert run.group[key] == pytest.approx(expected.group[key], rel=1e-12)
        if momentum:
            states = run.wrapper.optimizer.state.values()
            assert all(map(torch.equal, momentum, (s['momentum_buffer'] for s in states)))
            momentum = None
        run.train(1), expected.train(1)


@pytest.mark.parametrize('epochs, steps', [(0, 3), (1, 1), (2, 2), (2, 4), (5, 2)])
@pytest.mark.parametrize('length', [4, 3])
def test_an_epoch_that_was_interrupted_starts_again(epochs, steps, length):
    """MMEngine starts it again, but would count and schedule its steps twice."""
    saved = Run().train(epochs)
    saved.loop.dataloader = range(steps)
    saved = saved.train(1).checkpoint()
    saved['meta']['epoch'] = epochs  # CheckpointHook with by_epoch=False saves within the epoch
    saved['message_hub'] = dict(runtime_info=dict(max_epochs=9, max_iters=36))
    expected, run = Run(epoch_length=length).train(epochs), Run(epoch_length=length)
    changed = ['iterations per epoch 4 -> 3'] if epochs and length == 3 else []
    changes = run.resume(saved)
    assert changes == [*changed, f'epoch {epochs + 1} starts again, as it was interrupted']
    for _ in range(3):
        assert (run.epoch, run.iter) == (expected.epoch, expected.iter)
        assert run.group['lr'] == pytest.approx(expected.group['lr'], rel=1e-12)
        run.train(1), expected.train(1)


def test_a_longer_cosine_schedule_applies():
    saved = Run(schedule=[COSINE]).train(3).checkpoint()
    expected, run = (Run(schedule=[dict(COSINE, end=30)]) for _ in range(2))
    run.resume(saved)
    assert run.group['lr'] == pytest.approx(expected.train(3).group['lr'], rel=1e-12)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(optimizer=dict(type='AdamW', lr=0.01)), 'another optimizer (AdamW)'),
        (dict(groups=4), 'paramwise_cfg'),
    ],
)
def test_optimizer_state_that_does_not_fit_starts_from_zero(change, message):
    saved = Run().train(3).checkpoint()
    run = Run(**change)
    [text] = [text for text in run.resume(saved) if 'zero' in text]
    assert message in text
    assert not run.wrapper.optimizer.state
    assert run.group['lr'] == pytest.approx(Run(**change).train(3).group['lr'])
    run.train(1)


def test_a_checkpoint_without_an_optimizer_continues_the_schedule():
    saved = Run().train(3).checkpoint()
    del saved['optimizer'], saved['param_schedulers']
    run = Run()
    assert 'no optimizer' in '; '.join(run.resume(saved))
    assert run.group['lr'] == pytest.approx(0.01)


def test_adam_can_become_adamw_with_its_state():
    adam = dict(type='Adam', lr=0.01, betas=(0.9, 0.99))
    saved = Run(adam).train(2).checkpoint()
    run = Run(dict(adam, type='AdamW', betas=(0.8, 0.99)))
    assert 'betas (0.9, 0.99) -> (0.8, 0.99)' in '; '.join(run.resume(saved))
    assert run.group['betas'] == (0.8, 0.99)
    assert len(run.wrapper.optimizer.state) == 4


def test_a_plateau_schedule_says_what_is_not_applied():
    saved = Run(schedule=[PLATEAU]).train(2).checkpoint()
    run = Run(dict(SGD, lr=0.05, weight_decay=0.01), [PLATEAU])
    changes = run.resume(saved)
    assert any('NOT' in text and ' lr' in text and 'load_from' in text for text in changes)
    assert run.group['lr'] == 0.1 and run.group['weight_decay'] == 0.01


def test_runs_that_count_iterations():
    saved = Run(schedule=[WARMUP]).train(1).checkpoint()
    saved['meta'] = dict(epoch=0, iter=4)
    run = Run(dict(SGD, lr=1.0), [WARMUP])
    run.loop = object.__new__(IterBasedTrainLoop)
    assert run.resume(saved) == ['lr 0.1 -> 1']
    assert run.group['lr'] == pytest.approx(Run(dict(SGD, lr=1.0), [WARMUP]).train(1).group['lr'])


@pytest.mark.parametrize(
    'checkpoint, key',
    [
        (dict(state_dict={}), "meta['epoch']"),
        (dict(meta=dict(epoch=3)), "meta['iter']"),
        (dict(meta=dict(epoch=3, iter=12)), 'message_hub'),  # of MMDetection 2
    ],
)
def test_weights_alone_cannot_be_resumed(checkpoint, key):
    with pytest.raises(CheckpointError) as error:
        check_resumable(checkpoint, 'weights.pth')
    assert all(text in str(error.value) for text in ('weights.pth', key, 'load_from'))


def test_seed_and_start_weight_come_from_the_checkpoint():
    class Runner:
        cfg = Config(dict(model=dict(bbox_head=dict(loss_cls=dict(type='aLRPLoss')))))
        _randomness_cfg = dict(seed=1)

    text = 'model = dict(bbox_head=dict(loss_cls=dict(self_balance=dict(start_weight=5))))'
    seed, weight = _not_applied(Runner, dict(meta=dict(seed=0, cfg=text)))
    assert seed == 'randomness.seed 0 -> 1'
    assert weight == 'model.bbox_head.loss_cls.self_balance.start_weight 5 -> 50'
