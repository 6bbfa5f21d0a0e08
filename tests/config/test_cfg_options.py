"""Names at the top level of a config, and --cfg-options."""

import argparse
import contextlib
import sys

import pytest
from mmengine.config import Config

from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.config.options import CfgOptions, apply_options, check_names


@pytest.fixture
def config() -> Config:
    transforms = [dict(type='PackDetInputs')]
    loader = dict(batch_size=2, dataset=dict(data_root='data/', pipeline=transforms))
    return Config(
        dict(
            data_root='data/',
            model=dict(type='RetinaNet', backbone=dict(type='ResNet', depth=50)),
            train_dataloader=loader,
            val_dataloader=loader,
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        )
    )


@pytest.mark.parametrize(
    'key, facts',
    [
        ('modell.bbox_head.num_classes', ["'model'"]),
        ('train_dataloder.batch_size', ["'train_dataloader'"]),
        ('optim_wraper.optimizer.lr', ["'optim_wrapper'"]),
        ('default_hook.logger.interval', ["'default_hooks'"]),
        ('load_form', ["'load_from'"]),
        ('dataroot', ["'data_root'"]),
        ('lr', ['optim_wrapper.optimizer.lr']),
        ('batch_size', ['train_dataloader.batch_size', 'val_dataloader.batch_size']),
        ('zebra', ['in the config file first']),
    ],
)
def test_an_option_that_nothing_reads_is_refused(config, key, facts):
    with pytest.raises(ConfigError) as error:
        apply_options(config, {'model.backbone.depth': 18, key: 1})
    top = key.split('.')[0]
    assert all(fact in str(error.value) for fact in [f'--cfg-options sets {top}', *facts])
    assert config.model.backbone.depth == 50 and top not in config


@pytest.mark.parametrize(
    'key',
    [
        'model.bbox_head.num_classes',
        'load_from',
        'resume',
        'randomness.seed',
        'auto_scale_lr.base_batch_size',
        'custom_hooks',
        'work_dir',
        'launcher',
        'default_scope',
        'tta_model.type',
        'env_cfg.cudnn_benchmark',
        'experiment_name',
        'log_level',
        'visualizer.name',
        'micro_batch_size',
        'drop_degenerate_boxes',
        'find_unused_parameters',
        'model_wrapper_cfg.find_unused_parameters',
        'compile',
        'runner_type',
        'strategy.type',
    ],
)
def test_an_option_of_a_tool_is_set(config, key):
    assert apply_options(config, {key: 1}) == []
    value = config
    for part in key.split('.'):
        value = value[part]
    assert value == 1


def test_types_of_options_are_normalised(config):
    options = {
        'optim_wrapper.optimizer._delete_': True,
        'optim_wrapper.optimizer.type': 'torch.optim.AdamW',
    }
    apply_options(config, {**options, 'model.type': 'mmdet.ATSS'})
    assert config.model.type == 'ATSS'
    assert 'lr' not in config.optim_wrapper.optimizer


def test_modules_of_options_are_imported(config, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'named_in_an_option.py').write_text('')
    apply_options(config, {'custom_imports.imports': ['named_in_an_option']})
    assert 'named_in_an_option' in sys.modules
    with pytest.raises(ConfigError, match=r'--cfg-options cannot set .*missing_module'):
        apply_options(config, {'custom_imports.imports': ['missing_module']})


def test_an_option_of_a_variable_without_effect_is_refused(config):
    places = [f'{split}_dataloader.dataset.data_root' for split in ('train', 'val')]
    with pytest.raises(ConfigError) as error:
        apply_options(config, {'data_root': 'other/', places[0]: 'other/'})
    message = str(error.value)
    assert 'sets data_root, a variable' in message
    assert f'set {places[1]} instead, or change data_root in the config file' in message


def test_an_option_of_a_variable_is_warned_of(config):
    config.my_flag = False  # which a hook may read
    places = [f'{split}_dataloader.dataset.data_root' for split in ('train', 'val')]
    options = {**dict.fromkeys(places, 'other/'), 'data_root': 'other/', 'my_flag': True}
    warnings = apply_options(config, options)
    assert [warning.split()[0] for warning in warnings] == ['data_root', 'my_flag']
    assert config.my_flag is True


@pytest.mark.parametrize(
    'key, reason',
    [
        ('model.backbone.depth.x', 'TypeError'),
        ('train_dataloader.dataset.pipeline.9.type', 'KeyError'),
    ],
)
def test_an_option_that_does_not_fit_is_refused(config, key, reason):
    with pytest.raises(ConfigError, match=f'--cfg-options cannot set {key}: {reason}'):
        apply_options(config, {key: 1})


def test_an_option_without_a_value_is_refused(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions)
    assert parser.parse_args(['--cfg-options', 'a.b=1']).cfg_options == {'a.b': 1}
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', 'a.b=1', 'a.c', '2'])
    assert "expected KEY=VALUE, got 'a.c'" in capsys.readouterr().err


@pytest.mark.parametrize(
    'name, near',
    [
        ('train_dataloder', 'train_dataloader'),
        ('optim_wraper', 'optim_wrapper'),
        ('custom_hook', 'custom_hooks'),
        ('param_schedulers', 'param_scheduler'),
        ('test_pipeline', None),
        ('train_dataloader_2', None),
        ('optimizer', None),
        ('data_root', None),
    ],
)
def test_a_misspelt_part_of_a_file_is_refused(config, name, near):
    config[name] = dict(type='Any')
    expected = pytest.raises(ConfigError, match=f"{name} of the config: did you mean '{near}'")
    with expected if near else contextlib.nullcontext():
        check_names(config)
    config[name] = 3  # a variable
    check_names(config)
