"""Configs of MMDetection 2, and types that nobody registered."""

import pytest
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.registry import PARAM_SCHEDULERS

from alrp_mmdet.cli import exit_on_error
from alrp_mmdet.config.file import ConfigError, read_config

OLD = """
model = dict(type='RetinaNet')
train_cfg = dict(allowed_border=-1)  # at the top level until 2.3
data = dict(samples_per_gpu=4, train=dict(type='CocoDataset'))
optimizer = dict(type='SGD', lr=0.01)
lr_config = dict(policy='step', step=[8, 11])
"""


@pytest.mark.parametrize('required', [(), ('test_dataloader',)])
@pytest.mark.parametrize(
    'text',
    [
        OLD,
        "_base_ = ['../_base_/models/gone.py']\n" + OLD,
        'from mmcv.runner import gone_from_mmcv\n' + OLD,
        "model = dict(type='RetinaNet')\nevaluation = dict(interval=1)\ntotal_epochs = 12",
    ],
)
def test_config_of_mmdetection_2(tmp_path, text, required):
    path = tmp_path / 'old.py'
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(path, *required)
    message = str(error.value)
    assert '\n' not in message
    assert all(x in message for x in ('old.py', 'MMDetection 2', 'docs/migration.md', 'https://'))
    assert 'data, optimizer, lr_config' in message or 'total_epochs, evaluation' in message


@pytest.mark.parametrize(
    'text',
    [
        "optimizer = dict(type='SGD')\ndata = 'coco'\ntrain_dataloader = dict()",
        "data = 'coco'",
    ],
)
def test_variables_with_old_names_are_fine(tmp_path, text):
    (tmp_path / 'new.py').write_text(f"model = dict(type='RetinaNet')\n{text}")
    assert read_config(tmp_path / 'new.py').model.type == 'RetinaNet'


@pytest.mark.parametrize(
    'registry, name, facts',
    [
        (TRANSFORMS, 'DefaultFormatBundle', ('transform', 'MMDetection 2', 'migration.md')),
        (MODELS, 'MyHead', ('model', 'custom_imports')),
        (MODELS, 'mmdet.MyHead', ('model', 'custom_imports')),
        (PARAM_SCHEDULERS, 'StepLRUpdater', ('parameter scheduler', 'custom_imports')),
    ],
)
def test_unknown_type_is_one_line(registry, name, facts):
    with pytest.raises(SystemExit) as error, exit_on_error():
        registry.build(dict(type=name))
    message = str(error.value)
    assert message.startswith('error: ') and '\n' not in message
    assert all(fact in message for fact in (repr(name), *facts))


def test_other_key_errors_keep_their_traceback():
    with pytest.raises(KeyError, match='gone'), exit_on_error():
        raise KeyError('gone')
