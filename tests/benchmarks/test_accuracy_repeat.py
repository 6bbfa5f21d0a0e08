"""A run of benchmarks/accuracy that is repeated gives the same numbers."""

import json
from dataclasses import replace

import accuracy_helpers  # noqa: F401
import cv2
import numpy as np
import pytest

from benchmarks.accuracy import trainer
from benchmarks.accuracy.matrix import first_run
from benchmarks.accuracy.rows import METRICS, curves_of, read_rows, run_of


@pytest.fixture
def tiny_data(tmp_path) -> list[str]:
    """Options for a dataset of eight images with dark and bright squares, and random weights."""
    torch = pytest.importorskip('torch')
    registry = pytest.importorskip('mmdet.registry')
    rng = np.random.default_rng(0)
    folder = tmp_path / 'data' / 'aquarium'
    (folder / 'annotations').mkdir(parents=True)
    (folder / 'images').mkdir()
    for split in ('train', 'val'):
        images, boxes = [], []
        for i in range(8):
            picture = rng.integers(80, 120, (96, 128, 3), dtype=np.uint8)
            for category, grey in ((1, 20), (2, 220)):
                x, y = int(rng.integers(0, 88)), int(rng.integers(0, 56))
                picture[y : y + 40, x : x + 40] = grey
                box = dict(bbox=[x, y, 40, 40], area=1600, iscrowd=0, category_id=category)
                boxes.append(dict(id=len(boxes) + 1, image_id=i, **box))
            cv2.imwrite(str(folder / 'images' / f'{split}{i}.png'), picture)
            images.append(dict(id=i, file_name=f'{split}{i}.png', width=128, height=96))
        categories = [dict(id=1, name='dark'), dict(id=2, name='bright')]
        content = dict(images=images, annotations=boxes, categories=categories)
        (folder / 'annotations' / f'instances_{split}.json').write_text(json.dumps(content))
    torch.manual_seed(0)
    backbone = dict(type='MobileNetV2', out_indices=(2, 4, 6), _scope_='mmdet')
    torch.save(registry.MODELS.build(backbone).state_dict(), tmp_path / 'weights.pth')
    return ['--data-root', str(tmp_path / 'data'), '--weights', str(tmp_path / 'weights.pth')]


@pytest.mark.slow
def test_a_repeated_run_gives_the_same_numbers(tiny_data, tmp_path):
    """The real thing for two epochs of a tiny dataset, twice."""
    pairs = []
    for attempt in ('first', 'second'):
        made = trainer.Trainer(tmp_path / 'data', tiny_data[3], tmp_path / attempt, jobs=2)
        path = tmp_path / f'{attempt}.csv'
        lr = dict(lr=0.02, epochs=2)
        wanted = [replace(first_run('rs'), **lr), replace(first_run('focal_giou'), **lr)]
        assert made.train(wanted, path) == 0
        pairs.append({run_of(row): row for row in read_rows(path)})
        assert [x['epoch'] for x in read_rows(curves_of(path))] == [1, 2, 1, 2]
    first, second = pairs
    for run, row in first.items():
        for name in (*METRICS, 'train_loss'):
            assert repr(row[name]) == repr(second[run][name]), name  # NaN differs from itself
        assert 0 < row['oLRP'] <= 1 and row['seconds'] > 0 and row['train_loss'] > 0
        assert row['commit']
    assert len({row['train_loss'] for row in first.values()}) == 2
