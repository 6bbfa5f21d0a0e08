"""tools/export.py: files and errors."""

import functools
import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import alrp_mmdet  # noqa: F401 - registers

ROOT = Path(__file__).parents[2]
FASTER_RCNN = ROOT / 'configs/faster_rcnn/alrp_faster-rcnn_r18_fpn_12e_bccd.py'


@pytest.fixture
def export(script, config):
    """Runs the tool in the folder of the config."""
    return functools.partial(script, 'export.py')


@pytest.fixture
def checkpoint(config) -> Path:
    return save(config, config.parent / 'model.pth')


def save(config: Path, path: Path) -> Path:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def test_torchscript_of_the_size_of_the_test_pipeline(
    export, config, checkpoint, calibration, tmp_path
):
    export(config, checkpoint, '--out', 'model.pt')
    files = {'alrp_mmdet': ''}
    scores, boxes = torch.jit.load(str(tmp_path / 'model.pt'), _extra_files=files)(
        torch.rand(2, 3, 64, 64) * 255
    )
    assert scores.shape == (2, 84, 2) and boxes.shape == (2, 84, 4)
    about = json.loads(files['alrp_mmdet'])
    assert (about['size'], about['classes']) == ([64, 64], ['square', 'disc'])

    with pytest.raises(SystemExit, match=r'model\.pt .*--force'):
        export(config, checkpoint, '--out', 'model.pt')
    export(
        *(config, checkpoint, '--out', 'model.pt', '--force', '--size', 96, 32),
        *('--calibration', calibration),
    )
    loaded = torch.jit.load(str(tmp_path / 'model.pt'), _extra_files=files)
    scores, _ = loaded(torch.rand(1, 3, 32, 96))
    assert scores.shape == (1, 63, 2)
    assert 'calibration' not in about
    expected = {name: [[0, 1], [0.5, 1]] for name in ('square', 'disc')}
    assert json.loads(files['alrp_mmdet'])['calibration'] == expected


@pytest.mark.parametrize(
    'args, message',
    [
        (['tiny.py', 'model.pth', '--out', 'a.bin'], r'--out .*\.onnx or \.pt.* a\.bin'),
        (['tiny.py', 'gone.pth', '--out', 'a.pt'], r'checkpoint.* gone\.pth'),
        (
            ['tiny.py', 'model.pth', '--out', 'a.pt', '--calibration', 'gone.json'],
            r'file.* gone\.json',
        ),
        (['gone.py', 'model.pth', '--out', 'a.pt'], r'config.* gone\.py'),
        (['deep.py', 'model.pth', '--out', 'a.pt'], r'model\.pth .*cls_convs'),
        (
            ['tiny.py', 'model.pth', '--out', 'a.pt', '--size', 50, 64],
            'width .* 50, .* multiple of 32',
        ),
        (['free.py', 'model.pth', '--out', 'a.pt'], '--size'),
    ],
)
def test_wrong_command(export, config, checkpoint, tmp_path, args, message):
    base = "_base_ = './tiny.py'\n"
    (tmp_path / 'deep.py').write_text(base + 'model = dict(bbox_head=dict(stacked_convs=2))')
    pipeline = "[dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]"
    dataset = f'dict(dataset=dict(pipeline={pipeline}))'
    (tmp_path / 'free.py').write_text(f'{base}test_dataloader = {dataset}')
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        export(*args)
    assert not (tmp_path / 'a.pt').exists()


def test_two_stages_are_refused(export, tmp_path):
    save(FASTER_RCNN, tmp_path / 'two.pth')
    with pytest.raises(SystemExit, match=r'FasterRCNN .*only one-stage'):
        export(FASTER_RCNN, 'two.pth', '--out', 'a.pt', '--size', 64, 64)
