"""Classifiers, and box layers with a box per class, of a checkpoint with other classes."""

import copy

import pytest
import torch
from fine_tuning_helpers import (
    BOXES,
    CHECKPOINT_CLASSES,
    CLASSES,
    CLASSIFIER,
    FAMILIES,
    PRIORS,
    checkpoint_of,
    differing_layers,
    has_line,
    load,
)
from tiny_detectors import tiny_detector


@pytest.mark.parametrize('stock', [False, True])
@pytest.mark.parametrize('family', FAMILIES)
def test_other_number_of_classes(family, stock):
    checkpoint = checkpoint_of(tiny_detector(family, 4, stock=stock, seed=1), CHECKPOINT_CLASSES)
    model = tiny_detector(family, 3)
    own = copy.deepcopy(model.state_dict())
    trained = copy.deepcopy(checkpoint['state_dict'])

    after, text = load(model, checkpoint, CLASSES)
    class_layers = {CLASSIFIER[family]} | ({BOXES} if family == 'faster-rcnn' else set())
    assert differing_layers(after, trained) == class_layers
    for name in class_layers:
        assert torch.equal(after[f'{name}.weight'], own[f'{name}.weight'])
        assert has_line(text, name, '4 classes', ' 3 ', section='re-initialised')
    assert has_line(text, 'keep_matching_classes=True', 'cat, dog', section='note')
    unused = has_line(text, 'atss_centerness: 146 ', section='in the checkpoint, not used')
    assert unused == (stock and family == 'atss')


@pytest.mark.parametrize('stock', [False, True])
@pytest.mark.parametrize('keep', [False, True])
def test_masks_of_other_classes(stock, keep):
    checkpoint = checkpoint_of(
        tiny_detector('mask-rcnn', 3, stock=stock, seed=1), CHECKPOINT_CLASSES[:3]
    )
    model = tiny_detector('mask-rcnn', 3)
    name = 'roi_head.mask_head.conv_logits.weight'
    own, trained = model.state_dict()[name].clone(), checkpoint['state_dict'][name].clone()
    after, text = load(model, checkpoint, CLASSES, keep_matching_classes=keep)
    expected = [trained[2], trained[0], own[2]] if keep else own  # cat, dog, eel
    for found, wanted in zip(after[name], expected):
        assert torch.equal(found, wanted)
    assert has_line(text, 'roi_head.mask_head.conv_logits', 'dog, cow, cat') != keep
    upsample = 'roi_head.mask_head.upsample.weight'
    assert torch.equal(after[upsample], checkpoint['state_dict'][upsample])


@pytest.mark.parametrize('stock', [False, True])
@pytest.mark.parametrize('family', FAMILIES)
def test_matching_classes_are_loaded_by_name(family, stock):
    checkpoint = checkpoint_of(tiny_detector(family, 4, stock=stock, seed=1), CHECKPOINT_CLASSES)
    model = tiny_detector(family, 3)
    own = copy.deepcopy(model.state_dict())
    trained = copy.deepcopy(checkpoint['state_dict'])
    name, priors = CLASSIFIER[family], PRIORS[family]

    after, text = load(model, checkpoint, CLASSES, keep_matching_classes=True)
    for part in ('weight', 'bias'):
        for prior in range(priors):
            outputs, background = 4, 0
            if stock and family in ('faster-rcnn', 'yolact'):  # the last output
                outputs = 5
                background = trained[f'{name}.{part}'][prior * outputs + 4]
            for i, source in enumerate((2, 0, None)):  # cat, dog, eel
                found = after[f'{name}.{part}'][prior * 3 + i]
                if source is None:
                    assert torch.equal(found, own[f'{name}.{part}'][prior * 3 + i])
                else:
                    row = trained[f'{name}.{part}'][prior * outputs + source] - background
                    assert torch.equal(found, row)
    if family == 'faster-rcnn':
        boxes, boxes_there = after[f'{BOXES}.weight'], trained[f'{BOXES}.weight']
        assert torch.equal(boxes[:4], boxes_there[8:12])
        assert torch.equal(boxes[4:8], boxes_there[:4])
        assert torch.equal(boxes[8:], own[f'{BOXES}.weight'][8:])
    assert has_line(text, name, section='loaded for some classes')
    assert has_line(text, 'cat, dog', 'eel re-init', section='note')


@pytest.mark.parametrize('family', ['retinanet', 'faster-rcnn', 'solov2', 'yolact'])
@pytest.mark.parametrize(
    'classes, facts',
    [
        (('c', 'a', 'b'), ('order', 'c, a, b')),
        (('a', 'b', 'x'), ('other classes', 'a, b, x')),
    ],
)
def test_same_number_of_other_classes(family, classes, facts):
    checkpoint = checkpoint_of(tiny_detector(family, 3, seed=1), classes)
    trained = copy.deepcopy(checkpoint['state_dict'])
    model = tiny_detector(family, 3)
    own = copy.deepcopy(model.state_dict())
    name = CLASSIFIER[family]

    after, text = load(model, copy.deepcopy(checkpoint), ('a', 'b', 'c'))
    assert torch.equal(after[f'{name}.weight'], own[f'{name}.weight'])
    assert has_line(text, name, *facts, section='re-initialised')

    after, text = load(model, checkpoint, ('a', 'b', 'c'), keep_matching_classes=True)
    at = classes.index('a')
    assert torch.equal(after[f'{name}.weight'][0], trained[f'{name}.weight'][at])
    if family == 'faster-rcnn':
        boxes, trained_boxes = after[f'{BOXES}.weight'], trained[f'{BOXES}.weight']
        assert torch.equal(boxes[:4], trained_boxes[4 * at : 4 * at + 4])


@pytest.mark.parametrize('keep', [False, True])
@pytest.mark.parametrize(
    'meta',
    [
        dict(dataset_meta=dict(classes=['a', 'b', 'c'])),
        dict(dataset_meta=dict(CLASSES=('a', 'b', 'c'))),
        dict(CLASSES=('a', 'b', 'c')),
    ],
)
def test_the_same_classes_are_loaded(meta, keep):
    checkpoint = dict(checkpoint_of(tiny_detector('retinanet', 3, seed=1)), meta=meta)
    trained = copy.deepcopy(checkpoint['state_dict'])
    model = tiny_detector('retinanet', 3)
    after, text = load(model, checkpoint, ('a', 'b', 'c'), keep_matching_classes=keep)
    assert differing_layers(after, trained) == set()
    assert 're-initialised' not in text and 'classes' not in text
    assert has_line(text, 'backbone: 45,372 ', section='loaded')


@pytest.mark.parametrize(
    'meta', [{}, None, dict(CLASSES='abc'), dict(CLASSES=None), dict(dataset_meta=dict(classes=[]))]
)
def test_without_class_names_the_shape_decides_and_a_note_warns(meta):
    checkpoint = dict(checkpoint_of(tiny_detector('retinanet', 3, seed=1)), meta=meta)
    trained = copy.deepcopy(checkpoint['state_dict'])
    after, text = load(
        tiny_detector('retinanet', 3), checkpoint, CLASSES, keep_matching_classes=True
    )
    assert differing_layers(after, trained) == set()
    assert has_line(text, 'checkpoint', 'not name classes', 'bbox_head.retina_cls', section='note')


def test_class_names_of_another_number_are_ignored():
    checkpoint = checkpoint_of(
        tiny_detector('faster-rcnn', 3, seed=1), [f'c{i}' for i in range(80)]
    )
    trained = copy.deepcopy(checkpoint['state_dict'])
    after, text = load(tiny_detector('faster-rcnn', 3), checkpoint, CLASSES)
    assert differing_layers(after, trained) == set()
    assert has_line(text, '80 class', 'c0, c1', section='note')


def test_same_number_of_outputs_from_other_anchors_and_classes():
    # 3 anchors of 4 classes, 6 of 2: both have 12 outputs.
    anchors = dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1)
    anchors.update(ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128])
    checkpoint = checkpoint_of(tiny_detector('retinanet', 4, anchor_generator=anchors, seed=1))
    model = tiny_detector('retinanet', 2)
    shape = model.state_dict()['bbox_head.retina_cls.weight'].shape
    assert checkpoint['state_dict']['bbox_head.retina_cls.weight'].shape == shape
    own = copy.deepcopy(model.state_dict())
    after, text = load(model, checkpoint, ('a', 'b'), keep_matching_classes=True)
    assert torch.equal(after['bbox_head.retina_cls.weight'], own['bbox_head.retina_cls.weight'])
    assert has_line(text, 'bbox_head.retina_cls', '3 anchors', ' 6 ', section='re-initialised')
    shapes = '12 x 8 x 3 x 3', '24 x 8 x 3 x 3'
    assert has_line(text, 'bbox_head.retina_reg', *shapes, section='re-initialised')


def test_background_of_a_softmax_does_not_count_as_a_class():
    # Softmax over two classes, ranking of three: both have three outputs.
    checkpoint = checkpoint_of(tiny_detector('faster-rcnn', 2, stock=True, seed=1))
    model = tiny_detector('faster-rcnn', 3)
    own = copy.deepcopy(model.state_dict())
    after, text = load(model, checkpoint, CLASSES)
    assert torch.equal(
        after[f'{CLASSIFIER["faster-rcnn"]}.weight'], own['roi_head.bbox_head.fc_cls.weight']
    )
    assert has_line(text, 'fc_cls', '2 classes', ' 3 ', section='re-initialised')


def test_softmax_to_ranking_with_the_same_classes():
    checkpoint = checkpoint_of(tiny_detector('faster-rcnn', 3, stock=True, seed=1), CLASSES)
    trained = copy.deepcopy(checkpoint['state_dict'])
    after, text = load(tiny_detector('faster-rcnn', 3), checkpoint, CLASSES)
    assert differing_layers(after, trained) == {'roi_head.bbox_head.fc_cls'}
    assert has_line(text, 'fc_cls', 'only the checkpoint', 'background', section='re-initialised')


def test_softmax_to_softmax_loads_the_background():
    checkpoint = checkpoint_of(
        tiny_detector('faster-rcnn', 4, stock=True, seed=1), CHECKPOINT_CLASSES
    )
    trained = copy.deepcopy(checkpoint['state_dict'])['roi_head.bbox_head.fc_cls.weight']
    model = tiny_detector('faster-rcnn', 3, stock=True)
    after, _ = load(model, checkpoint, CLASSES, keep_matching_classes=True)
    assert torch.equal(after['roi_head.bbox_head.fc_cls.weight'][[0, 1, 3]], trained[[2, 0, 4]])
