"""All tools read new-style configs, scoped names, and what a run dumps of them."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

NEW_STYLE = Path(__file__).parents[2] / 'configs/_new_style_/alrp_retinanet_r18_fpn_demo_shapes.py'
FEW = (
    'train_dataloader.dataset.num_images=4',
    'val_dataloader.dataset.num_images=2',
    'test_dataloader.dataset.num_images=2',
    'train_cfg.val_interval=1',
    'train_cfg.max_epochs=1',
)


def use(script, config, checkpoint, image):
    """Run every tool that reads a trained detector."""
    script('infer.py', image, checkpoint, '--config', config, '--out', 'out', '--force')
    script('analysis/draw_detections.py', config, checkpoint, '--out', 'd.png', '--force')
    script('export.py', config, checkpoint, '--out', 'model.pt', '--force')


@pytest.mark.slow
def test_new_style_config(tool, script, tmp_path):
    tool('train.py', NEW_STYLE, '--work-dir', 'run', options=FEW)
    checkpoint, dumped = tmp_path / 'run' / 'epoch_1.pth', tmp_path / 'run' / NEW_STYLE.name
    image = tmp_path / 'data/shapes/val/000000.png'
    # MMDetection's own tools can read the dumped config, too.
    assert Config.fromfile(dumped).test_dataloader.dataset.pipeline[0].type == 'LoadImageFromFile'
    use(script, dumped, checkpoint, image)
    assert (tmp_path / 'out/drawn/000000.png').is_file()

    few = tmp_path / 'few.py'
    text = NEW_STYLE.read_text()
    text = text.replace('num_images=600', 'num_images=4').replace('num_images=100', 'num_images=2')
    few.write_text(text.replace('from .default_runtime', 'from .runtime'))
    (tmp_path / 'runtime.py').write_text((NEW_STYLE.parent / 'default_runtime.py').read_text())
    use(script, few, checkpoint, image)
    tool('test.py', few, checkpoint, '--work-dir', 'tested')
    lazy = tmp_path / 'lazy.py'
    Config.fromfile(few).dump(lazy)  # what MMDetection's train.py writes: import paths
    assert 'mmdet.models.RetinaNet' in lazy.read_text()
    use(script, lazy, checkpoint, image)


@pytest.mark.slow
def test_scoped_names(tool, script, config, tmp_path):
    text = config.read_text()
    for name in ('LoadImageFromFile', 'Resize', 'PackDetInputs', 'ALRPRetinaHead', 'CocoDataset'):
        text = text.replace(f"'{name}'", f"'mmdet.{name}'")
    text = re.sub("'(aLRPLoss|GIoULoss)'", r"'mmdet.\1'", text)
    config.write_text(text + "default_hooks = dict(logger=dict(type='mmengine.LoggerHook'))")
    tool('train.py', config, '--work-dir', 'run', options=('train_cfg.max_epochs=1',))
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    for path in (config, tmp_path / 'run' / 'tiny.py'):
        use(script, path, checkpoint, tmp_path / '0.png')


@pytest.mark.parametrize('kind', ['mmdet.CocoDataset', 'mmdet.datasets.CocoDataset'])
def test_annotations_are_checked(tool, config, tmp_path, kind):
    (tmp_path / 'annotations.json').write_text('{"images": [')
    config.write_text(config.read_text().replace("'CocoDataset'", repr(kind)))
    with pytest.raises(SystemExit, match=r'annotations\.json'):
        tool('train.py', config)
