"""Which layers of a checkpoint a model loads, under which names, and what the log lists."""

import copy
from collections import OrderedDict

import torch
from fine_tuning_helpers import (
    CHECKPOINT_CLASSES,
    CLASSES,
    checkpoint_of,
    differing_layers,
    has_line,
    load,
)
from mmengine.hooks import EMAHook
from mmengine.runner import load_state_dict
from tiny_detectors import tiny_detector

from alrp_mmdet.transfer.fine_tuning import check_fits, compare, fine_tune


def test_a_layer_is_loaded_completely_or_not_at_all():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    state_dict = checkpoint['state_dict']
    state_dict['neck.fpn_convs.0.conv.bias'] = torch.ones(8)
    state_dict['neck.fpn_convs.0.conv.weight'] = torch.ones(8, 9, 3, 3)
    state_dict['neck.fpn_convs.1.conv.weight'] = torch.ones(8, 8, 3, 3)
    del state_dict['neck.fpn_convs.1.conv.bias'], state_dict['backbone.layer4.1.bn1.running_var']
    model = tiny_detector('retinanet', 3)
    own = copy.deepcopy(model.state_dict())
    after, text = load(model, checkpoint, CLASSES)
    for layer in ('neck.fpn_convs.0.conv', 'neck.fpn_convs.1.conv', 'backbone.layer4.1.bn1'):
        assert torch.equal(after[f'{layer}.weight'], own[f'{layer}.weight'])
    assert torch.equal(after['neck.fpn_convs.0.conv.bias'], own['neck.fpn_convs.0.conv.bias'])
    for facts in (
        ('neck.fpn_convs.0: weight', '8 x 9 x 3 x 3', '8 x 8 x 3 x 3'),
        ('neck.fpn_convs.1: bias', 'not in the checkpoint'),
        ('backbone.layer4.1.bn1: running_var', 'not in the checkpoint'),
    ):
        assert has_line(text, *facts, section='re-initialised')
    assert has_line(text, 'backbone.layer1: ', section='loaded')


def test_a_module_with_other_shapes_is_one_line():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    for name in checkpoint['state_dict']:
        if name.startswith('backbone.layer2') and 'num_batches' not in name:
            checkpoint['state_dict'][name] = torch.ones(1)
    _, text = load(tiny_detector('retinanet', 3), checkpoint, CLASSES)
    first = 'backbone.layer2.0.conv1: weight', ' 1 ', '8 x 4 x 3 x 3'
    assert has_line(text, 'backbone.layer2: 10 layers', *first, section='re-initialised')
    assert text.count('backbone.layer2') == 2


def test_batch_counters_and_self_balance_are_not_needed():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    for name in list(checkpoint['state_dict']):
        if 'num_batches_tracked' in name or 'self_balance' in name:
            del checkpoint['state_dict'][name]
    model = tiny_detector('retinanet', 3)
    check_fits(model, checkpoint, 'coco.pth', CLASSES)
    _, text = load(model, checkpoint, CLASSES)
    assert 're-init' not in text and 'self_balance' not in text


def test_half_precision_prefixed_names_and_a_bare_state_dict():
    trained = checkpoint_of(tiny_detector('retinanet', 3, seed=1))['state_dict']
    checkpoint = OrderedDict(
        (f'module.{k}', v.half() if v.is_floating_point() else v) for k, v in trained.items()
    )
    model = torch.nn.DataParallel(tiny_detector('retinanet', 3))
    fine_tune(model, checkpoint, 'coco.pth', CLASSES)
    assert list(checkpoint) == ['state_dict']
    model.module.load_state_dict(checkpoint['state_dict'], strict=True)
    loaded = model.module.bbox_head.retina_reg.weight
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, trained['bbox_head.retina_reg.weight'].half().float())


def test_older_names_are_found_as_in_mmdetection():
    checkpoint = checkpoint_of(tiny_detector('fovea', 3, seed=1))
    state_dict = checkpoint['state_dict']
    trained = copy.deepcopy(state_dict)
    for name in list(state_dict):
        if name.startswith('bbox_head.conv_'):
            state_dict[name.replace('conv_', 'fovea_')] = state_dict.pop(name)
    model = tiny_detector('fovea', 3)
    before = copy.deepcopy(model.state_dict())
    compare(model, state_dict)
    assert differing_layers(before, model.state_dict()) == set()
    check_fits(model, checkpoint, 'coco.pth')
    after, text = load(model, checkpoint, CLASSES)
    assert differing_layers(after, trained) == set()
    assert 'not used' not in text


def test_ema_loads_the_same_weights_as_the_model():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 4, seed=1), CHECKPOINT_CLASSES)
    ema = {f'module.{name}': value + 1 for name, value in checkpoint['state_dict'].items()}
    checkpoint['ema_state_dict'] = copy.deepcopy(ema)
    model = tiny_detector('retinanet', 3)
    hook = EMAHook()

    class Runner:
        _resume = False

    Runner.model = model
    hook.before_run(Runner)
    fine_tune(model, checkpoint, 'coco.pth', CLASSES)
    hook.after_load_checkpoint(Runner, checkpoint)
    load_state_dict(model, checkpoint['state_dict'])
    assert differing_layers(hook.ema_model.module.state_dict(), model.state_dict()) == set()
    assert checkpoint['ema_state_dict'].keys() == ema.keys()
    assert all(torch.equal(checkpoint['ema_state_dict'][name], ema[name]) for name in ema)
