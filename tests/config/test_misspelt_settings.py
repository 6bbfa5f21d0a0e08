"""Misspelt settings are found before a run."""

import functools
from pathlib import Path

import hypothesis
import pytest
from mmdet.registry import HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

import alrp_mmdet  # noqa: F401 - registers
from alrp_mmdet.config.file import ConfigError, read_config
from alrp_mmdet.config.misspelt_settings import check_settings

ROTATE = dict(type='Rotate', limit=10, p=0.5)
WRAPPER = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
CONFIGS = Path(__file__).parents[2] / 'configs'
NAMES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.glob('[!_]*/*.py'))
ALL = ('train', 'val', 'test')


@pytest.fixture(autouse=True)
def classes_of_users(monkeypatch):
    for registry in (HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS):
        monkeypatch.setattr(registry, '_module_dict', {**registry.module_dict})
    OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=Constructor)
    MODELS.register_module(module=Neck)
    HOOKS.register_module(module=build_hook)


class Constructor(DefaultOptimWrapperConstructor):
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.decay = optim_wrapper_cfg.optimizer.pop('layer_decay')
        super().__init__(optim_wrapper_cfg, paramwise_cfg)


class Neck(nn.Module):
    def __init__(self, bn_cfg=None, norm_cfgs=None, loss=None, others=None):
        super().__init__()


def build_hook(n=1):
    return None


@pytest.fixture(scope='module')
def demo() -> Config:
    return read_config(CONFIGS / 'retinanet' / 'rs_retinanet_r50_fpn_1x_coco.py')


def changed(config: Config, options: dict) -> Config:
    config = config.copy()
    config.merge_from_dict(options)
    return config


@pytest.mark.parametrize(
    'key, meant',
    [
        ('train_dataloader.batch_sise', 'batch_size'),
        ('train_dataloader.sampler.shufle', 'shuffle'),
        ('train_dataloader.batch_sampler.drop_lst', 'drop_last'),
        ('train_dataloader.dataset.ann_fil', 'ann_file'),
        ('train_dataloader.dataset.pipeline.1.with_bboxes', 'with_bbox'),
        ('test_dataloader.persistant_workers', 'persistent_workers'),
        ('optim_wrapper.clip_grads', 'clip_grad'),
        ('optim_wrapper.paramwise_cgf', 'paramwise_cfg'),
        ('optim_wrapper.optimiser', 'optimizer'),
        ('param_scheduler.0.start_facter', 'start_factor'),
        ('train_cfg.max_epoch', 'max_epochs'),
        ('val_evaluator.metrics_', 'metrics'),
        ('default_hooks.logger.intervall', 'interval'),
        ('default_hooks.checkpoint.max_keep_ckpt', 'max_keep_ckpts'),
        ('default_hooks.checkpoint.save_optimiser', 'save_optimizer'),
        ('env_cfg.cudnn_benchmrk', 'cudnn_benchmark'),
        ('env_cfg.mp_cfg.mp_start_methd', 'mp_start_method'),
        ('auto_scale_lr.base_batchsize', 'base_batch_size'),
        ('log_processor.window_sizes', 'window_size'),
        ('model.bbox_head.num_clases', 'num_classes'),
        ('model.bbox_head.loss_cls.los_weight', 'loss_weight'),
        ('model.backbone.init_cfg.chekpoint', 'checkpoint'),
        ('model.backbone.norm_cfg.require_grad', 'requires_grad'),
        ('model.train_cfg.assigner.pos_iou_th', 'pos_iou_thr'),
        ('model.test_cfg.score_th', 'score_thr'),
        ('model.test_cfg.max_per_image', 'max_per_img'),
        ('model.train_cfg.allowed_boarder', 'allowed_border'),
        ('train_dataloader.dataset.filter_cfg.filter_empty_gts', 'filter_empty_gt'),
        ('optim_wrapper.paramwise_cfg.norm_decay_mul', 'norm_decay_mult'),
        ('model.bbox_head.bbox_coder.target_stdss', 'target_stds'),  # the coder ignores it
    ],
)
def test_misspelt_setting(demo, key, meant):
    with pytest.raises(ConfigError) as error:
        check_settings(changed(demo, {key: 1}), ALL)
    message = str(error.value)
    assert message == f'nothing reads {key} of the config: did you mean {meant!r}?'


def test_all_misspelt_settings_are_listed(demo):
    with pytest.raises(ConfigError) as error:
        check_settings(
            changed(demo, {'train_dataloader.batch_sise': 2, 'model.backbone.dept': 1}), ALL
        )
    assert 'train_dataloader.batch_sise' in str(error.value)
    assert "model.backbone.dept of the config: did you mean 'depth'" in str(error.value)


def test_a_test_does_not_need_the_settings_of_training(demo):
    config = changed(demo, {'train_dataloader.batch_sise': 1, 'optim_wrapper.clip_grads': 1})
    check_settings(config, ('test',))
    with pytest.raises(ConfigError):
        check_settings(config, ('train', 'val'))


def test_code_of_users_may_read_any_setting(demo, mmengine_log):
    not_in_stack = hypothesis.settings  # stands for a class of a user
    options = {'model.neck.type': not_in_stack, 'train_dataloader.batch_sise': 1}
    check_settings(changed(demo, options), ALL)
    (record,) = mmengine_log.records
    assert record.levelname == 'WARNING'
    assert record.message.startswith('nothing reads train_dataloader.batch_sise ')
    assert record.message.endswith("did you mean 'batch_size'?")


@pytest.mark.parametrize('name', NAMES)
def test_configs_pass_without_a_warning(name, mmengine_log):
    check_settings(read_config(CONFIGS / name), ALL)
    assert mmengine_log.text == ''


@pytest.mark.parametrize(
    'options',
    [
        {'custom_hooks': [dict(type='EMAHook', priority=49, begin_epoch=3)]},
        {'param_scheduler.0': dict(type='LinearLR', start_factor=0.1, convert_to_iter_based=True)},
        {'train_cfg': dict(_delete_=True, by_epoch=True, max_epochs=3)},
        {'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=3)},
        {'train_dataloader.num_batch_per_epoch': 3, 'train_dataloader.pin_memory': True},
        {'train_dataloader.collate_fn': dict(type='pseudo_collate')},
        {'default_hooks.timer': None},
        {'default_hooks.checkpoint.save_optimizer': False},  # for Runner.save_checkpoint
        {
            'optim_wrapper': dict(
                type='AmpOptimWrapper', loss_scale='dynamic', accumulative_counts=2
            )
        },
        {'optim_wrapper.constructor': 'LearningRateDecayOptimizerConstructor'},
        {'model.backbone.norm_cfg': dict(type='GN', num_groups=4, requires_grad=False)},
        {'model.backbone.dcn': dict(type='DCNv2', deform_groups=1, fallback_on_stride=False)},
        {'model.backbone.init_cfg': dict(type='Pretrained', checkpoint='a.pth', prefix='b.')},
        {'model.backbone.type': 'NotRegistered'},  # reported by the registry
        {'runner_type': 'Mine', 'train_dataloader.batches': 3},
        {'model.train_cfg.debug': True},
        {'optim_wrapper.paramwise_cfg': dict(custom_keys={'backbone': dict(lr_mult=0.1)})},
        {'visualizer.vis_backends': [dict(type='TensorboardVisBackend')]},
        # Classes of albumentations have names that MMDetection has, too.
        {'train_dataloader.dataset.pipeline': [dict(type='Albu', transforms=[ROTATE])]},
        # One setting per optimizer, and a setting for a constructor.
        {'optim_wrapper': dict(_delete_=True, constructor='Constructor', a=WRAPPER, b=WRAPPER)},
        {'optim_wrapper.constructor': 'Constructor', 'optim_wrapper.optimizer.layer_decay': 0.8},
        {'default_scope': 'mmyolo', 'train_dataloader.dataset.pipeline': [ROTATE]},
        # Classes of users may read a setting in any way.
        {'model.neck': dict(_delete_=True, type='Neck', bn_cfg=dict(type='BN', stats='local'))},
        {'model.neck': dict(_delete_=True, type='Neck', loss=dict(type='L1Loss', start=3))},
        {'model.neck': dict(_delete_=True, type='Neck', norm_cfgs=[dict(type='BN', stats=1)])},
        {'custom_hooks': [dict(type='build_hook', n=2, priority=3)]},
        # Types that no registry has.
        {'model.neck': dict(_delete_=True, type='Neck', others=[dict(type=1), dict(type=['a'])])},
        {'model.neck': dict(_delete_=True, type=functools.partial(nn.Identity), a=2)},
    ],
)
def test_known_settings(demo, options, mmengine_log):
    check_settings(changed(demo, options), ALL)
    assert mmengine_log.text == ''
