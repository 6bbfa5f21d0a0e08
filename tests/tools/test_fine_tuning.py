"""Fine-tuning, and tests of checkpoints that do not fit, with the tools."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import BaseLoop

from alrp_mmdet.hooks import FineTuneHook

CLASSIFIER = 'bbox_head.retina_cls.weight'
THREE = """
metainfo = dict(classes=('triangle', 'disc', 'square'))
data = dict(metainfo=metainfo, ann_file='three.json')
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=data)
test_dataloader = dict(dataset=data)
val_evaluator = dict(ann_file=data_root + '/three.json')
test_evaluator = val_evaluator
model = dict(bbox_head=dict(num_classes=3))
"""


def derived(config: Path, name: str, text: str) -> Path:
    path = config.with_name(f'{name}.py')
    root = f'data_root = {str(config.parent)!r}\n'
    path.write_text(f'_base_ = {config.name!r}\n{root}{text}\n')
    return path


@pytest.fixture
def three(config) -> Path:
    """The config with one class more, in another order."""
    content = json.loads((config.parent / 'annotations.json').read_text())
    names = 'triangle', 'disc', 'square'
    content['categories'] = [dict(id=3 - i, name=name) for i, name in enumerate(names)]
    (config.parent / 'three.json').write_text(json.dumps(content))
    return derived(config, 'three', THREE)


@pytest.fixture
def trained(config) -> Path:
    """A checkpoint of the config, with random weights."""
    cfg = Config.fromfile(config)
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    path = config.with_name('trained.pth')
    meta = dict(dataset_meta=dict(classes=('square', 'disc')))
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return path


@pytest.mark.parametrize('hooks', ['', 'default_hooks = dict(_delete_=True)'])
def test_test_refuses_a_checkpoint_that_does_not_fit(three, trained, tool, hooks):
    config = derived(three, 'hooks', hooks)
    with pytest.raises(SystemExit) as error:
        tool('test.py', config, trained, '--work-dir', 'tested')
    text = str(error.value)
    assert text.startswith('error: ') and '\n' not in text
    assert 'trained.pth' in text
    assert 'bbox_head.retina_cls: 2 classes in the checkpoint, 3 in' in text


@pytest.mark.parametrize('hooks', ['', 'default_hooks = dict(_delete_=True)'])
def test_training_refuses_a_checkpoint_of_which_nothing_fits(config, tool, hooks):
    config = derived(config, 'hooks', hooks)
    torch.save(dict(state_dict=dict(encoder=torch.ones(2))), config.with_name('other.pth'))
    with pytest.raises(SystemExit, match=r'^error: .*other\.pth .*RetinaNet.* encoder; '):
        tool('train.py', config, '--work-dir', 'run', options=('load_from=other.pth',))
    with pytest.raises(SystemExit, match=r'^error: .*load_from.* gone\.pth'):
        tool('train.py', config, '--work-dir', 'run', options=('load_from=gone.pth',))


@pytest.mark.parametrize('metainfo', [[dict(classes=('a',)), dict(classes=('b', 'c'))], {}, None])
def test_data_sets_without_classes_in_common(config, trained, metainfo):
    cfg = Config.fromfile(config)
    init_default_scope('mmdet')

    class Loop(BaseLoop):
        def __init__(self):
            self.dataloader = SimpleNamespace(dataset=SimpleNamespace(metainfo=metainfo))

        def run(self):
            pass

    runner = SimpleNamespace(model=MODELS.build(cfg.model), cfg=cfg, _load_from='x.pth')
    runner.__dict__.update(_train_loop=None, _val_loop=None, _test_loop=Loop())
    FineTuneHook().after_load_checkpoint(runner, torch.load(trained))


def test_test_refuses_classes_in_another_order(config, trained, tool):
    checkpoint = torch.load(trained)
    checkpoint['meta']['dataset_meta'] = dict(classes=('disc', 'square'))
    torch.save(checkpoint, trained)
    with pytest.raises(SystemExit, match=r'disc, square, .*square, disc: .*order'):
        tool('test.py', config, trained, '--work-dir', 'tested')


@pytest.mark.slow
def test_two_classes_then_three(tmp_path, config, three, tool):
    tool('train.py', config, '--work-dir', 'two', options=('train_cfg.max_epochs=1',))
    still = ('load_from=two/epoch_1.pth', 'optim_wrapper.optimizer.lr=0', 'train_cfg.max_epochs=1')

    tool('train.py', three, '--work-dir', 'reinitialized', options=still)
    keep = 'default_hooks.fine_tune.keep_matching_classes=True'
    tool('train.py', three, '--work-dir', 'matched', options=(*still, keep))
    two, reinitialized, matched = (
        torch.load(tmp_path / run / 'epoch_1.pth')['state_dict']
        for run in ('two', 'reinitialized', 'matched')
    )
    learnt = [name for name in two if 'running' not in name and name.startswith(('neck', 'backb'))]
    learnt = [name for name in learnt if 'num_batches' not in name]
    assert all(
        torch.equal(two[name], run[name]) for name in learnt for run in (reinitialized, matched)
    )
    assert torch.equal(matched[CLASSIFIER][[2, 1]], two[CLASSIFIER])
    assert torch.equal(matched[CLASSIFIER][0], reinitialized[CLASSIFIER][0])
    assert not torch.equal(reinitialized[CLASSIFIER][[2, 1]], two[CLASSIFIER])

    # --resume continues the run itself and ignores load_from.
    more = ('load_from=two/epoch_1.pth', 'train_cfg.max_epochs=2')
    tool('train.py', three, '--work-dir', 'matched', '--resume', options=more)
    tool('test.py', three, 'matched/epoch_2.pth', '--work-dir', 'tested')
    [first, *_] = sorted((tmp_path / 'matched').glob('*/*.log'))
    assert 'Fine-tuning from two/epoch_1.pth\nloaded:\n  backbone: ' in first.read_text()
    [*_, last] = sorted((tmp_path / 'matched').glob('*/*.log'))
    assert 'Fine-tuning' not in last.read_text()
