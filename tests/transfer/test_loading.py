"""Checkpoints that are refused, and warnings on others."""

import copy

import pytest
import torch
from fine_tuning_helpers import CLASSES, checkpoint_of, load
from mmdet.registry import MODELS
from tiny_detectors import tiny_config, tiny_detector

from alrp_mmdet.transfer.fine_tuning import (
    check_fits,
    fine_tune,
    warn_of_frozen_random_layers,
)
from alrp_mmdet.transfer.safe_loading import CheckpointError


@pytest.mark.parametrize('refuse', [fine_tune, check_fits])
@pytest.mark.parametrize(
    'content, found',
    [
        ([1], 'list'),
        ({}, 'no entries'),
        (dict(optimizer={}, meta=dict(epoch=1)), "dict with 'optimizer', 'meta'"),
        (dict(state_dict='no'), "dict with 'state_dict'$"),
        (dict(state_dict=dict(weight=[1.0])), "dict with 'state_dict'$"),
    ],
)
def test_a_file_without_weights_is_refused(refuse, content, found):
    with pytest.raises(CheckpointError, match=rf'x\.pth .*state_dict.* {found}'):
        refuse(tiny_detector('retinanet', 2), content, 'x.pth')


def test_a_checkpoint_of_which_nothing_fits_is_refused():
    checkpoint = dict(state_dict=dict(encoder=torch.ones(3), decoder=torch.ones(2)))
    untouched = copy.deepcopy(checkpoint)
    with pytest.raises(CheckpointError) as error:
        fine_tune(tiny_detector('retinanet', 2), checkpoint, 'x.pth')
    text = str(error.value)
    assert 'x.pth' in text and 'a RetinaNet' in text
    assert 'the checkpoint has encoder, decoder' in text
    assert 'the model has backbone (conv1, bn1' in text
    assert checkpoint.keys() == untouched.keys()


def test_weights_of_a_backbone_only_are_recognised():
    backbone = tiny_detector('retinanet', 2).backbone.state_dict()
    with pytest.raises(CheckpointError, match=r'resnet\.pth.* a backbone only.*backbone\.init_cfg'):
        fine_tune(tiny_detector('retinanet', 2), backbone, 'resnet.pth')


def test_a_backbone_of_which_nothing_fits_is_a_warning():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    for name in checkpoint['state_dict']:
        if name.startswith('backbone.'):
            checkpoint['state_dict'][name] = torch.zeros(1, 1, 1)
    model = tiny_detector('retinanet', 3).requires_grad_(True)
    _, text = load(model, checkpoint, CLASSES)
    assert 'no weights of the backbone in coco.pth' in text
    _, text = load(model, checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES), CLASSES)
    assert 'no weights of the backbone' not in text


def test_frozen_layers_without_weights_are_refused():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    for name in [name for name in checkpoint['state_dict'] if 'backbone.layer1' in name]:
        del checkpoint['state_dict'][name]
    model = tiny_detector('retinanet', 3)
    assert not model.backbone.layer1[0].conv1.weight.requires_grad
    with pytest.raises(CheckpointError, match=r'coco\.pth.*frozen.*random: backbone\.layer1'):
        load(model, copy.deepcopy(checkpoint), CLASSES)
    model.backbone.init_cfg = dict(type='Pretrained', checkpoint='torchvision://resnet18')
    load(model, checkpoint, CLASSES)


class TestCheckFits:
    def test_checkpoint_of_the_same_model(self):
        model = tiny_detector('faster-rcnn', 3)
        check_fits(model, checkpoint_of(model, CLASSES), 'x.pth', CLASSES)

    @pytest.mark.parametrize(
        'family, stock, reason',
        [
            ('retinanet', True, r'bbox_head\.retina_cls: 4 classes .* 3 '),
            ('faster-rcnn', False, r'roi_head\.bbox_head\.fc_cls: 4 classes .* 3 '),
            ('atss', False, r'bbox_head\.atss_cls: 4 classes .* 3 '),
        ],
    )
    def test_another_number_of_classes(self, family, stock, reason):
        checkpoint = checkpoint_of(tiny_detector(family, 4, stock=stock))
        with pytest.raises(CheckpointError, match=rf'x\.pth .*{reason}'):
            check_fits(tiny_detector(family, 3), checkpoint, 'x.pth')

    def test_missing_weights(self):
        model = tiny_detector('retinanet', 3)
        checkpoint = checkpoint_of(model)
        del checkpoint['state_dict']['neck.fpn_convs.2.conv.bias']
        with pytest.raises(CheckpointError, match=r'fpn_convs\.2: bias not in the checkpoint'):
            check_fits(model, checkpoint, 'x.pth')

    def test_softmax_for_a_ranking(self):
        checkpoint = checkpoint_of(tiny_detector('faster-rcnn', 3, stock=True), CLASSES)
        with pytest.raises(CheckpointError, match=r'fc_cls: only the checkpoint.* background'):
            check_fits(tiny_detector('faster-rcnn', 3), checkpoint, 'x.pth', CLASSES)

    def test_another_architecture(self):
        checkpoint = checkpoint_of(tiny_detector('faster-rcnn', 3))
        with pytest.raises(CheckpointError, match='some weights would be random'):
            check_fits(tiny_detector('fovea', 3), checkpoint, 'x.pth')

    @pytest.mark.parametrize(
        'classes, message',
        [
            (('dog', 'cat', 'eel'), 'dog, cat, eel.* order'),
            (('dog', 'cat'), 'cat, dog, eel.* dog, cat: 3 and 2 classes'),
        ],
    )
    def test_other_classes(self, classes, message):
        model = tiny_detector('fovea', 3)
        with pytest.raises(CheckpointError, match=message):
            check_fits(model, checkpoint_of(model, CLASSES), 'x.pth', classes)

    def test_other_names_are_a_warning(self, monkeypatch):
        printed = []
        monkeypatch.setattr(
            'alrp_mmdet.transfer.fine_tuning.loading.print_log',
            lambda text, **_: printed.append(text),
        )
        model = tiny_detector('fovea', 3)
        check_fits(model, checkpoint_of(model, CLASSES), 'x.pth', ('Cat', 'dog', 'eel'))
        assert ['Cat, dog, eel' in text and 'x.pth' in text for text in printed] == [True]
        check_fits(model, checkpoint_of(model), 'x.pth', CLASSES)
        check_fits(model, checkpoint_of(model, CLASSES), 'x.pth')
        assert len(printed) == 1


@pytest.mark.parametrize(
    'backbone, number',
    [
        (dict(frozen_stages=4), 60),
        (dict(frozen_stages=0), 3),
        (dict(frozen_stages=-1), 0),
        (dict(frozen_stages=4, init_cfg=dict(type='Pretrained', checkpoint='a.pth')), 0),
    ],
)
def test_frozen_random_layers_are_warned_of(backbone, number, mmengine_log):
    cfg = tiny_config('retinanet', 3)
    cfg.model.backbone.update(frozen_stages=-1)
    cfg.model.backbone.update(backbone)
    warn_of_frozen_random_layers(MODELS.build(cfg.model))
    found = [r.getMessage() for r in mmengine_log.records if 'frozen' in r.getMessage()]
    assert len(found) == (number > 0)
    if number:
        assert found[0].startswith(f'{number} of 60 parameters')
        assert all(x in found[0] for x in ('conv1.weight', 'init_cfg', 'frozen_stages=-1'))
