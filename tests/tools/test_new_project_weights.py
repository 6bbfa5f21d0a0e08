"""Which weights a project starts from."""

import re
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper


@pytest.mark.parametrize('load_from', ['start.pth', 'https://example.org/start.pth'])
def test_config_loads_a_checkpoint(new_project, source, tmp_path, load_from):
    if '://' not in load_from:
        with pytest.raises(SystemExit, match=r'error: there is no checkpoint start\.pth'):
            new_project(source, '--out', 'mine', '--load-from', load_from)
        Path(load_from).touch()
    new_project(source, '--out', 'mine', '--load-from', load_from)
    cfg = Config.fromfile('mine/rs_atss_mine.py')
    assert cfg.load_from == (load_from if '://' in load_from else str(tmp_path / load_from))
    assert cfg.model.backbone.init_cfg is None
    assert cfg.model.backbone.depth == 50 and cfg.model.bbox_head.num_classes == 3


@pytest.fixture
def mobilenet() -> dict:
    """A state dict of the small detector's backbone."""
    backbone = dict(type='MobileNetV2', out_indices=(2, 4, 6), _scope_='mmdet')
    return MODELS.build(backbone).state_dict()


def test_small_detector_starts_from_pretrained_weights(new_project, source):
    new_project(source, '--out', 'mine', '--detector', 'retinanet-small')
    cfg = Config.fromfile('mine/rs_retinanet-small_mine.py')
    assert cfg.model.backbone.type == 'MobileNetV2'
    assert cfg.model.backbone.init_cfg.type == 'Pretrained'
    assert cfg.model.backbone.init_cfg.checkpoint.startswith('https://')
    assert cfg.model.neck.norm_cfg.type == cfg.model.bbox_head.norm_cfg.type == 'GN'


@pytest.mark.parametrize('wrap', [lambda state: state, lambda state: dict(state_dict=state)])
def test_weights_from_a_file(new_project, source, tmp_path, mobilenet, wrap):
    torch.save(wrap(mobilenet), 'backbone.pth')
    given = '--out', 'mine', '--detector', 'retinanet-small', '--weights', 'backbone.pth'
    new_project(source, *given)
    cfg = Config.fromfile('mine/rs_retinanet-small_mine.py')
    file = str(tmp_path / 'backbone.pth')
    assert cfg.model.backbone.init_cfg == dict(type='Pretrained', checkpoint=file)
    model = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    model.init_weights()
    for name, value in model.backbone.state_dict().items():
        assert value.equal(mobilenet[name]), name


@pytest.mark.parametrize('detector', ['retinanet-small', 'faster-rcnn'])
def test_training_from_random_weights(new_project, source, detector):
    new_project(source, '--out', 'mine', '--detector', detector, '--weights', 'none')
    cfg = Config.fromfile(f'mine/rs_{detector}_mine.py')
    assert cfg.model.backbone.init_cfg is None
    if cfg.model.backbone.type == 'ResNet':
        cfg.model.backbone.depth = 18  # for speed
        cfg.model.neck.in_channels = [64, 128, 256, 512]
    model = MODELS.build({**cfg.model, '_scope_': 'mmdet'}).train()
    assert all(parameter.requires_grad for parameter in model.backbone.parameters())
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(norm.training for norm in norms)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    assert {group['lr'] for group in groups} == {cfg.optim_wrapper.optimizer.lr}


def test_unusable_weights_are_refused(new_project, source, mobilenet, capsys):
    def refusal(*given):
        with pytest.raises(SystemExit) as error:
            new_project(source, '--out', 'mine', '--weights', *given)
        assert not Path('mine').exists()
        return str(error.value)

    assert 'missing.pth' in refusal('missing.pth')
    torch.save(mobilenet, 'backbone.pth')
    text = refusal('backbone.pth', '--detector', 'atss')  # a ResNet-50
    assert 'backbone.pth does not fit ResNet: conv1.weight should have the shape' in text
    assert '(64, 3, 7, 7), but is missing in the file (' in text
    mobilenet['conv1.conv.weight'] = torch.zeros(16, 3, 3, 3)
    torch.save(mobilenet, 'narrow.pth')
    text = refusal('narrow.pth', '--detector', 'retinanet-small')
    assert re.search(
        r'conv1\.conv\.weight.*\(32, 3, 3, 3\), but has the shape \(16, 3, 3, 3\) ', text
    )
    refusal('backbone.pth', '--load-from', 'backbone.pth')
    assert '--load-from' in capsys.readouterr().err
