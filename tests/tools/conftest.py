import itertools
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from format_writers import make_coco, write_coco
from mmdet.registry import MODELS
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_configs import CONFIG, MASK_RCNN, SOLOV2

ROOT = Path(__file__).parents[2]
names = (f'run{i}' for i in itertools.count())


@pytest.fixture
def config(tmp_path) -> Path:
    """A config of a tiny detector on eight images of 64x64 pixels; tests append settings."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(8):
        picture = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        for category, side in ((1, 20), (2, 28)):
            x, y = (int(v) for v in rng.integers(0, 64 - side, 2))
            if category == 1:
                picture[y : y + side, x : x + side] = (40, 40, 250)
            else:
                cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, (40, 250, 40), -1)
            corners = [x, y, x + side, y, x + side, y + side, x, y + side]
            box = dict(bbox=[x, y, side, side], area=side * side, iscrowd=0, segmentation=[corners])
            annotations.append(
                dict(id=len(annotations) + 1, image_id=i + 1, category_id=category, **box)
            )
        cv2.imwrite(str(tmp_path / f'{i}.png'), picture)
        images.append(dict(id=i + 1, file_name=f'{i}.png', width=64, height=64))
    categories = [dict(id=1, name='square'), dict(id=2, name='disc')]
    content = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    path = tmp_path / 'tiny.py'
    runtime = str(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    path.write_text(CONFIG.format(runtime=runtime, data_root=str(tmp_path)))
    return path


@pytest.fixture
def calibration(tmp_path) -> Path:
    """A file that maps scores from 0 to 1 to scores from 0.5 to 1."""
    curve = dict(scores=[0, 1], calibrated=[0.5, 1])
    path = tmp_path / 'calibration.json'
    path.write_text(json.dumps(dict(version=1, calibration=dict(square=curve, disc=curve))))
    return path


@pytest.fixture
def mask_config(config) -> Path:
    """A config of MMDetection's Mask R-CNN, tiny, on the same images."""
    path = config.parent / 'masks.py'
    path.write_text(config.read_text() + MASK_RCNN)
    return path


@pytest.fixture
def mask_checkpoint(mask_config) -> Path:
    """A checkpoint of the Mask R-CNN in a work dir. Its boxes and masks cover the images."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(mask_config).model)
    torch.nn.init.normal_(model.roi_head.bbox_head.fc_cls.weight, std=0.3)
    torch.nn.init.constant_(model.roi_head.mask_head.conv_logits.bias, 0.1)
    work_dir = mask_config.parent / 'mask_run'
    work_dir.mkdir()
    path = work_dir / 'epoch_1.pth'
    meta = dict(dataset_meta=dict(CLASSES=('square', 'disc')))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    shutil.copy(mask_config, work_dir)
    (work_dir / 'last_checkpoint').write_text(str(path))
    return path


@pytest.fixture
def solov2_checkpoint(config) -> Path:
    """A checkpoint of a tiny SOLOv2 on the same images, beside its config ``solov2.py``."""
    config.with_name('solov2.py').write_text(config.read_text() + SOLOV2)
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config.with_name('solov2.py')).model)
    path = config.with_name('solov2.pth')
    meta = dict(dataset_meta=dict(CLASSES=('square', 'disc')))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Runs a script of tools/ in this process, in ``tmp_path``, as the command line would."""

    def run(name: str, *args) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')

    return run


@pytest.fixture
def tool(script):
    """Runs tools/train.py or test.py in this process, as often as needed."""

    def run(name: str, *args, options: tuple[str, ...] = ()) -> None:
        # MMEngine keeps one logger and one visualizer per name in a process.
        run_name = next(names)
        unique = (f'experiment_name={run_name}', f'visualizer.name={run_name}')
        DetLocalVisualizer._instance_dict.clear()  # or all runs would use the first
        script(name, *args, '--cfg-options', *unique, *options)

    return run


@pytest.fixture
def command(tmp_path):
    """Runs a tool in a new process, which can import modules from ``tmp_path``."""

    def run(*args) -> subprocess.CompletedProcess:
        env = dict(os.environ, PYTHONPATH=str(tmp_path), OMP_NUM_THREADS='1', PYTHON=sys.executable)
        return subprocess.run(
            [*map(str, args)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
        )

    return run


@pytest.fixture(scope='session')
def new_project_main():
    """``main`` of tools/new_project.py."""
    return runpy.run_path(str(ROOT / 'tools' / 'new_project.py'))['main']


@pytest.fixture
def new_project(new_project_main, monkeypatch):
    """Runs tools/new_project.py here, without the preview, which takes a second to draw."""
    name = 'alrp_mmdet.project.create.draw_annotations'
    monkeypatch.setattr(name, lambda *args: b'a picture')
    return lambda *args: new_project_main([str(arg) for arg in args])


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A COCO JSON, relative to ``tmp_path``, which becomes the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_coco(tmp_path, make_coco(tmp_path)).relative_to(tmp_path)
