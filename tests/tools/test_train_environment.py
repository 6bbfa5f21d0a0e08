"""tools/train.py: packages, folders and devices that are missing."""

import sys

import pytest
import torch


@pytest.mark.parametrize(
    'change, facts',
    [
        ("visualizer = dict(vis_backends=[dict(type='TensorboardVisBackend')])", 'tensorboard'),
        ("visualizer = dict(vis_backends=[dict(type='mmengine.WandbVisBackend')])", 'wandb'),
        ("train_dataloader['dataset']['pipeline'].append(dict(type='Albu'))", 'albumentations'),
        ("model['bbox_head']['type'] = 'ALRPPAAHead'", 'scikit-learn'),
    ],
)
def test_missing_packages_are_told_before_anything_runs(
    config, tool, monkeypatch, tmp_path, change, facts
):
    monkeypatch.setattr('alrp_mmdet.optional_packages.find_spec', lambda name: None)
    config.write_text(f'{config.read_text()}\n{change}\n')
    with pytest.raises(SystemExit, match=f'error: .*pip install {facts}$'):
        tool('train.py', config, '--work-dir', 'run')
    assert not (tmp_path / 'run').exists()


def test_a_backend_that_cannot_be_imported_is_one_line(config, tool, monkeypatch):
    monkeypatch.setattr('alrp_mmdet.optional_packages.find_spec', lambda name: 'broken')
    for name in ('torch.utils.tensorboard', 'tensorboardX'):
        monkeypatch.setitem(sys.modules, name, None)
    backends = "[dict(type='TensorboardVisBackend')]"
    config.write_text(f'{config.read_text()}\nvisualizer = dict(vis_backends={backends})\n')
    with pytest.raises(SystemExit, match=r'error: .*pip install .*tensorboard'):
        tool('train.py', config, '--work-dir', 'run')


@pytest.mark.parametrize('work_dir', ['occupied', 'occupied/run'])
def test_a_work_dir_that_cannot_be_written(config, tool, tmp_path, work_dir):
    (tmp_path / 'occupied').touch()
    with pytest.raises(SystemExit, match=f'error: .*{work_dir}.*--work-dir'):
        tool('train.py', config, '--work-dir', work_dir)


@pytest.mark.parametrize('args', [['--amp'], ['--cfg-options', 'optim_wrapper.dtype=float16']])
def test_half_precision_without_a_gpu(config, script, monkeypatch, args):
    monkeypatch.setattr('alrp_mmdet.optim.get_device', lambda: 'cpu')
    text = config.read_text().replace("type='OptimWrapper'", "type='AmpOptimWrapper'")
    config.write_text(text if 'dtype' in args[-1] else config.read_text())
    with pytest.raises(SystemExit, match=r"error: .*float16 .*--amp.* GPU.*dtype='bfloat16'"):
        script('train.py', config, *args)


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without a GPU')
def test_bfloat16_on_the_cpu(tmp_path, config, tool):
    text = config.read_text()
    half = "type='mmengine.AmpOptimWrapper', dtype='bfloat16', loss_scale='dynamic'"
    config.write_text(text.replace("type='OptimWrapper'", half))
    tool('train.py', config, '--work-dir', 'run', options=('train_cfg.max_epochs=2',))
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_2.pth')
    assert all(x.dtype != torch.bfloat16 for x in checkpoint['state_dict'].values())
    assert 'CPUAmpOptimWrapper' in (tmp_path / 'run' / 'tiny.py').read_text()


DELETE_IMAGE = """
from pathlib import Path
from mmdet.registry import HOOKS
from mmengine.hooks import Hook

@HOOKS.register_module()
class DeleteImage(Hook):
    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            Path(runner.train_dataloader.dataset.get_data_info(0)['img_path']).unlink()
"""


def test_an_image_that_vanishes_during_the_training(tmp_path, config, tool, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'delete_image.py').write_text(DELETE_IMAGE)
    hooks = (
        "custom_imports = dict(imports='delete_image')\ncustom_hooks = [dict(type='DeleteImage')]"
    )
    config.write_text(f'{config.read_text()}\n{hooks}\n')
    with pytest.raises(SystemExit) as error:
        tool('train.py', config, '--work-dir', 'run')
    text = str(error.value)
    assert text.startswith('error: ') and len(text.splitlines()) == 1
    assert text.count('.jpg') + text.count('.png') == 1
    assert 'epoch_1.pth' in text and '--resume' in text
