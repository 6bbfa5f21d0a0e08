"""Every class has a colour of its own."""

import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from alrp_mmdet.datasets.palettes import distinct_colours, full_palette, set_palettes


@pytest.fixture
def config():
    dataset = dict(type='CocoDataset')
    return Config(
        dict(train_dataloader=dict(dataset=dataset), val_dataloader=dict(dataset=dict(dataset)))
    )


def test_palettes_have_a_colour_for_each_class(config):
    config.train_dataloader.dataset.metainfo = dict(classes=tuple(f'c{i}' for i in range(90)))
    config.val_dataloader.dataset.metainfo = dict(classes=('a', 'b'), palette=[(1, 2, 3)])
    set_palettes(config)
    palette = config.train_dataloader.dataset.metainfo['palette']
    assert len(palette) == 90
    assert tuple(config.val_dataloader.dataset.metainfo['palette'][0]) == (1, 2, 3)
    assert len(config.val_dataloader.dataset.metainfo['palette']) == 2
    Config.fromstring(config.pretty_text, '.py')


def test_many_classes_do_not_fill_the_config(config):
    classes = tuple(f'c{i}' for i in range(1000))
    given = [(1, 2, 3)]
    config.train_dataloader.dataset.metainfo = dict(classes=classes)
    config.val_dataloader.dataset.metainfo = dict(classes=classes, palette=given)
    set_palettes(config)
    assert config.train_dataloader.dataset.metainfo['palette'] == 'random'
    assert len(config.val_dataloader.dataset.metainfo['palette']) == 1000


def test_only_the_classes_of_coco_have_its_palette(config):
    coco = CocoDataset.METAINFO
    dataset = config.val_dataloader.dataset
    dataset.metainfo = dict(classes=coco['classes'])
    set_palettes(config)
    assert [tuple(c) for c in dataset.metainfo.palette] == coco['palette']
    dataset.metainfo = dict(classes=coco['classes'][1:8])
    set_palettes(config)
    assert [tuple(c) for c in dataset.metainfo.palette] == distinct_colours(7)


@pytest.mark.parametrize('palette', ['voc', (1, 2, 3)])
def test_palettes_by_name_are_kept(config, palette):
    dataset = config.val_dataloader.dataset
    dataset.metainfo = dict(classes=('a', 'b'), palette=palette)
    set_palettes(config)
    assert dataset.metainfo.palette == palette


@pytest.mark.parametrize('num_classes, least', [(7, 60), (20, 20), (80, 5)])
def test_colours_are_distinct(num_classes, least):
    colours = np.array(distinct_colours(num_classes))
    distances = np.linalg.norm(colours[:, None] - colours, axis=-1)
    assert colours.shape == (num_classes, 3) and (colours >= 0).all() and (colours < 256).all()
    assert distances[~np.eye(num_classes, dtype=bool)].min() > least


@pytest.mark.parametrize('palette', [[(1, 2, 3)], ((1, 2, 3),), 'coco', 'random', None, (1, 2, 3)])
def test_full_palette(palette):
    colours = full_palette(palette, 200)
    assert len(colours) == 200 and all(len(colour) == 3 for colour in colours)
