"""What of a checkpoint another detector gets, weight by weight."""

import copy
import functools
from collections import OrderedDict

import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.hooks import EMAHook
from mmengine.runner import load_state_dict
from tiny_detectors import tiny_config, tiny_detector

from alrp_mmdet.transfer.checkpoint_config import differences, settings_of
from alrp_mmdet.transfer.fine_tuning import check_fits, compare, fine_tune
from alrp_mmdet.transfer.fine_tuning.box_scale import rescale_boxes
from alrp_mmdet.transfer.safe_loading import CheckpointError

FAMILIES = ('retinanet', 'atss', 'fovea', 'faster-rcnn')
CLASSIFIER = {
    'retinanet': 'bbox_head.retina_cls',
    'atss': 'bbox_head.atss_cls',
    'fovea': 'bbox_head.conv_cls',
    'faster-rcnn': 'roi_head.bbox_head.fc_cls',
}
PRIORS = {'retinanet': 6, 'atss': 2, 'fovea': 1, 'faster-rcnn': 1}
BOXES = 'roi_head.bbox_head.fc_reg'
HERE, THERE = ('cat', 'dog', 'eel'), ('dog', 'cow', 'cat', 'ant')


def checkpoint_of(model, classes=None, **changes):
    state_dict = OrderedDict((name, value.clone()) for name, value in model.state_dict().items())
    checkpoint = dict(state_dict=state_dict, meta={}, **changes)
    if classes is not None:
        checkpoint['meta']['dataset_meta'] = dict(classes=classes)
    return checkpoint


def start(model, checkpoint, classes=None, **kwargs):
    """Weights of a model that starts from a checkpoint, and what was printed."""
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            'alrp_mmdet.transfer.fine_tuning.loading.print_log',
            lambda text, **_: printed.append(text),
        )
        fine_tune(model, checkpoint, 'coco.pth', classes, **kwargs)
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    return model.state_dict(), '\n'.join(printed)


def differing(first, second):
    return {
        name.rpartition('.')[0]
        for name, value in first.items()
        if 'self_balance' not in name
        and (
            name not in second or value.shape != second[name].shape or (value != second[name]).any()
        )
    }


@pytest.mark.parametrize('stock', [False, True])
@pytest.mark.parametrize('family', FAMILIES)
def test_another_number_of_classes(family, stock):
    there = checkpoint_of(tiny_detector(family, 4, stock=stock, seed=1), THERE)
    model = tiny_detector(family, 3)
    own = copy.deepcopy(model.state_dict())
    trained = copy.deepcopy(there['state_dict'])

    after, text = start(model, there, HERE)
    of_classes = {CLASSIFIER[family]} | ({BOXES} if family == 'faster-rcnn' else set())
    assert differing(after, trained) == of_classes
    for name in of_classes:
        assert torch.equal(after[f'{name}.weight'], own[f'{name}.weight'])
        assert f'{name}: 4 classes in the checkpoint, 3 here' in text
    assert 'keep_matching_classes=True' in text and 'cat, dog' in text
    assert ('atss_centerness: 146 values' in text) == (stock and family == 'atss')


@pytest.mark.parametrize('stock', [False, True])
@pytest.mark.parametrize('family', FAMILIES)
def test_matching_classes_are_kept(family, stock):
    there = checkpoint_of(tiny_detector(family, 4, stock=stock, seed=1), THERE)
    model = tiny_detector(family, 3)
    own = copy.deepcopy(model.state_dict())
    trained = copy.deepcopy(there['state_dict'])
    name, priors = CLASSIFIER[family], PRIORS[family]

    after, text = start(model, there, HERE, keep_matching_classes=True)
    for part in ('weight', 'bias'):
        for prior in range(priors):
            background = 0
            if stock and family == 'faster-rcnn':  # the last output
                background = trained[f'{name}.{part}'][4]
            for i, source in enumerate((2, 0, None)):  # cat, dog, eel
                found = after[f'{name}.{part}'][prior * 3 + i]
                if source is None:
                    assert torch.equal(found, own[f'{name}.{part}'][prior * 3 + i])
                else:
                    row = trained[f'{name}.{part}'][prior * 4 + source] - background
                    assert torch.equal(found, row)
    if family == 'faster-rcnn':
        boxes, boxes_there = after[f'{BOXES}.weight'], trained[f'{BOXES}.weight']
        assert torch.equal(boxes[:4], boxes_there[8:12])
        assert torch.equal(boxes[4:8], boxes_there[:4])
        assert torch.equal(boxes[8:], own[f'{BOXES}.weight'][8:])
    assert 'classes cat, dog are in the checkpoint, eel not: these start anew' in text


@pytest.mark.parametrize('family', ['retinanet', 'faster-rcnn'])
@pytest.mark.parametrize(
    'classes, reason',
    [
        (('c', 'a', 'b'), 'its classes stand in another order in the checkpoint'),
        (('a', 'b', 'x'), 'the classes of the checkpoint have other names, a, b, x'),
    ],
)
def test_the_same_number_of_other_classes(family, classes, reason):
    there = checkpoint_of(tiny_detector(family, 3, seed=1), classes)
    trained = copy.deepcopy(there['state_dict'])
    model = tiny_detector(family, 3)
    own = copy.deepcopy(model.state_dict())
    name = CLASSIFIER[family]

    after, text = start(model, copy.deepcopy(there), ('a', 'b', 'c'))
    assert torch.equal(after[f'{name}.weight'], own[f'{name}.weight'])
    assert f'{name}: {reason}' in text

    after, text = start(model, there, ('a', 'b', 'c'), keep_matching_classes=True)
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
    there = dict(checkpoint_of(tiny_detector('retinanet', 3, seed=1)), meta=meta)
    trained = copy.deepcopy(there['state_dict'])
    model = tiny_detector('retinanet', 3)
    after, text = start(model, there, ('a', 'b', 'c'), keep_matching_classes=keep)
    assert differing(after, trained) == set()
    assert 'starts anew' not in text and 'classes' not in text
    assert 'backbone: 45,372 values' in text


@pytest.mark.parametrize(
    'meta', [{}, None, dict(CLASSES='abc'), dict(CLASSES=None), dict(dataset_meta=dict(classes=[]))]
)
def test_without_names_shapes_decide_and_that_is_said(meta):
    there = dict(checkpoint_of(tiny_detector('retinanet', 3, seed=1)), meta=meta)
    trained = copy.deepcopy(there['state_dict'])
    after, text = start(tiny_detector('retinanet', 3), there, HERE, keep_matching_classes=True)
    assert differing(after, trained) == set()
    assert 'the checkpoint does not name classes, so that bbox_head.retina_cls was loaded' in text


def test_names_that_the_weights_are_not_for_do_not_count():
    there = checkpoint_of(tiny_detector('faster-rcnn', 3, seed=1), [f'c{i}' for i in range(80)])
    trained = copy.deepcopy(there['state_dict'])
    after, text = start(tiny_detector('faster-rcnn', 3), there, HERE)
    assert differing(after, trained) == set()
    assert 'the checkpoint names 80 classes' in text


def test_as_many_outputs_by_other_anchors_and_classes_are_not_taken_for_the_same():
    # 3 anchors of 4 classes, 6 of 2: both have 12 outputs.
    anchors = dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1)
    anchors.update(ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128])
    there = checkpoint_of(tiny_detector('retinanet', 4, anchor_generator=anchors, seed=1))
    model = tiny_detector('retinanet', 2)
    shape = model.state_dict()['bbox_head.retina_cls.weight'].shape
    assert there['state_dict']['bbox_head.retina_cls.weight'].shape == shape
    own = copy.deepcopy(model.state_dict())
    after, text = start(model, there, ('a', 'b'), keep_matching_classes=True)
    assert torch.equal(after['bbox_head.retina_cls.weight'], own['bbox_head.retina_cls.weight'])
    assert 'bbox_head.retina_cls: 3 anchors at a place in the checkpoint, 6 here' in text
    assert 'bbox_head.retina_reg: weight is 12 x 8 x 3 x 3 in the checkpoint, 24 x 8' in text


def test_background_of_a_softmax_is_not_taken_for_a_class():
    # Softmax over two classes, ranking of three: both have three outputs.
    there = checkpoint_of(tiny_detector('faster-rcnn', 2, stock=True, seed=1))
    model = tiny_detector('faster-rcnn', 3)
    own = copy.deepcopy(model.state_dict())
    after, text = start(model, there, HERE)
    assert torch.equal(
        after[f'{CLASSIFIER["faster-rcnn"]}.weight'], own['roi_head.bbox_head.fc_cls.weight']
    )
    assert 'fc_cls: 2 classes in the checkpoint, 3 here' in text


def test_softmax_to_ranking_with_the_same_classes():
    there = checkpoint_of(tiny_detector('faster-rcnn', 3, stock=True, seed=1), HERE)
    trained = copy.deepcopy(there['state_dict'])
    after, text = start(tiny_detector('faster-rcnn', 3), there, HERE)
    assert differing(after, trained) == {'roi_head.bbox_head.fc_cls'}
    assert 'fc_cls: it has an output for the background in the checkpoint' in text


def test_softmax_to_softmax_keeps_the_background():
    there = checkpoint_of(tiny_detector('faster-rcnn', 4, stock=True, seed=1), THERE)
    trained = copy.deepcopy(there['state_dict'])['roi_head.bbox_head.fc_cls.weight']
    model = tiny_detector('faster-rcnn', 3, stock=True)
    after, _ = start(model, there, HERE, keep_matching_classes=True)
    assert torch.equal(after['roi_head.bbox_head.fc_cls.weight'][[0, 1, 3]], trained[[2, 0, 4]])


def test_a_layer_is_loaded_whole_or_not_at_all():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    state_dict = there['state_dict']
    state_dict['neck.fpn_convs.0.conv.bias'] = torch.ones(8)
    state_dict['neck.fpn_convs.0.conv.weight'] = torch.ones(8, 9, 3, 3)
    state_dict['neck.fpn_convs.1.conv.weight'] = torch.ones(8, 8, 3, 3)
    del state_dict['neck.fpn_convs.1.conv.bias'], state_dict['backbone.layer4.1.bn1.running_var']
    model = tiny_detector('retinanet', 3)
    own = copy.deepcopy(model.state_dict())
    after, text = start(model, there, HERE)
    for layer in ('neck.fpn_convs.0.conv', 'neck.fpn_convs.1.conv', 'backbone.layer4.1.bn1'):
        assert torch.equal(after[f'{layer}.weight'], own[f'{layer}.weight'])
    assert torch.equal(after['neck.fpn_convs.0.conv.bias'], own['neck.fpn_convs.0.conv.bias'])
    assert 'neck.fpn_convs.0: weight is 8 x 9 x 3 x 3 in the checkpoint, 8 x 8 x 3 x 3 here' in text
    assert 'neck.fpn_convs.1: bias not in the checkpoint' in text
    assert 'backbone.layer4.1.bn1: running_var not in the checkpoint' in text
    assert 'backbone.layer1: ' in text  # loaded


def test_a_module_of_other_shapes_is_one_line():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    for name in there['state_dict']:
        if name.startswith('backbone.layer2') and 'num_batches' not in name:
            there['state_dict'][name] = torch.ones(1)
    _, text = start(tiny_detector('retinanet', 3), there, HERE)
    first = 'backbone.layer2.0.conv1: weight is 1 in the checkpoint, 8 x 4 x 3 x 3 here'
    assert f'  backbone.layer2: 10 layers of other shapes, such as {first}\n' in f'{text}\n'


def test_counters_and_self_balance_do_not_count():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    for name in list(there['state_dict']):
        if 'num_batches_tracked' in name or 'self_balance' in name:
            del there['state_dict'][name]
    model = tiny_detector('retinanet', 3)
    check_fits(model, there, 'coco.pth', HERE)
    _, text = start(model, there, HERE)
    assert 'anew' not in text and 'self_balance' not in text


def test_half_precision_names_in_wrappers_and_a_bare_state_dict():
    trained = checkpoint_of(tiny_detector('retinanet', 3, seed=1))['state_dict']
    there = OrderedDict(
        (f'module.{k}', v.half() if v.is_floating_point() else v) for k, v in trained.items()
    )
    model = torch.nn.DataParallel(tiny_detector('retinanet', 3))
    fine_tune(model, there, 'coco.pth', HERE)
    assert list(there) == ['state_dict']
    model.module.load_state_dict(there['state_dict'], strict=True)
    loaded = model.module.bbox_head.retina_reg.weight
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, trained['bbox_head.retina_reg.weight'].half().float())


def test_older_names_are_found_as_mmdetection_finds_them():
    there = checkpoint_of(tiny_detector('fovea', 3, seed=1))
    state_dict = there['state_dict']
    trained = copy.deepcopy(state_dict)
    for name in list(state_dict):
        if name.startswith('bbox_head.conv_'):
            state_dict[name.replace('conv_', 'fovea_')] = state_dict.pop(name)
    model = tiny_detector('fovea', 3)
    before = copy.deepcopy(model.state_dict())
    compare(model, state_dict)
    assert differing(before, model.state_dict()) == set()
    check_fits(model, there, 'coco.pth')
    after, text = start(model, there, HERE)
    assert differing(after, trained) == set()
    assert 'not used' not in text


def test_ema_takes_what_the_model_takes():
    there = checkpoint_of(tiny_detector('retinanet', 4, seed=1), THERE)
    ema = {f'module.{name}': value + 1 for name, value in there['state_dict'].items()}
    there['ema_state_dict'] = copy.deepcopy(ema)
    model = tiny_detector('retinanet', 3)
    hook = EMAHook()

    class Runner:
        _resume = False

    Runner.model = model
    hook.before_run(Runner)
    fine_tune(model, there, 'coco.pth', HERE)
    hook.after_load_checkpoint(Runner, there)
    load_state_dict(model, there['state_dict'])
    assert differing(hook.ema_model.module.state_dict(), model.state_dict()) == set()
    assert there['ema_state_dict'].keys() == ema.keys()
    assert all(torch.equal(there['ema_state_dict'][name], ema[name]) for name in ema)


UNSCALED = "dict(type='DeltaXYWHBBoxCoder')"  # its default are standard deviations of 1


@pytest.mark.parametrize('key', ['cfg', 'config_text'])
def test_boxes_of_another_scale_are_told(key):
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    given = {name: value.clone() for name, value in there['state_dict'].items()}
    there['meta'][key] = f"model = dict(type='RetinaNet', bbox_head=dict(bbox_coder={UNSCALED}))"
    weights, text = start(tiny_detector('retinanet', 3), there, HERE)
    assert (
        'the checkpoint has target_stds [1.0, 1.0, 1.0, 1.0], here [0.1, 0.1, 0.2, 0.2]: '
        'bbox_head.retina_reg was rescaled'
    ) in text
    name = 'bbox_head.retina_reg.weight'
    torch.testing.assert_close(weights[name][:2], given[name][:2] * 10)
    assert differing(weights, given) == {'bbox_head.retina_reg'}


def test_boxes_of_a_layer_that_starts_anew_are_not_told():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    there['meta']['cfg'] = f'model = dict(bbox_head=dict(bbox_coder={UNSCALED}))'
    key = 'bbox_head.retina_reg.weight'
    there['state_dict'][key] = there['state_dict'][key][..., :1, :1]
    _, text = start(tiny_detector('retinanet', 3), there, HERE)
    assert 'bbox_head.retina_reg: ' in text and 'target_stds' not in text


@pytest.mark.parametrize(
    'family, heads',
    [
        ('retinanet', {'bbox_head': 'retina_reg'}),
        ('atss', {'bbox_head': 'atss_reg'}),
        ('faster-rcnn', {'rpn_head': 'rpn_reg', 'roi_head.bbox_head': 'fc_reg'}),
    ],
)
def test_boxes_are_the_same_if_the_coder_has_other_stds(family, heads):
    cfg = tiny_config(family, 3, stock=True)
    for i, path in enumerate(heads):
        coder = functools.reduce(dict.get, path.split('.'), cfg.model).bbox_coder
        coder.update(target_stds=[0.5 + i, 1.0, 0.3, 2.0])
    torch.manual_seed(0)
    trained = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    for path, name in heads.items():
        torch.nn.init.normal_(trained.get_submodule(f'{path}.{name}').bias)
    there = checkpoint_of(trained, HERE)
    there['meta']['cfg'] = cfg.pretty_text
    model = tiny_detector(family, 3)
    _, text = start(model, there, HERE, settings=tiny_config(family, 3).model)
    anchors = torch.tensor([[10.0, 20, 50, 70]]).expand(24, 4)
    for path, name in heads.items():
        assert f'{path}.{name} was rescaled' in text
        boxes = []
        for detector in (trained, model):
            head = detector.get_submodule(path)
            layer = head.get_submodule(name)
            ones = torch.ones(1, layer.weight.shape[1], *layer.weight.shape[2:]) / 10
            outputs = layer(ones)
            encoded = outputs.reshape(outputs.shape[1], -1)[:, 0].reshape(-1, 4)
            boxes.append(head.bbox_coder.decode(anchors[: len(encoded)], encoded))
        assert (boxes[0] - anchors[: len(boxes[0])]).abs().max() > 1
        torch.testing.assert_close(boxes[1], boxes[0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    'text',
    [
        None,
        'model = dict(',
        'model = dict(bbox_head=3)',
        "model = dict(bbox_head=dict(bbox_coder=dict(target_stds='wide')))",
        'model = dict(bbox_head=dict(bbox_coder=dict(target_stds=[1.0, 1.0])))',
        "model = dict(bbox_head=dict(bbox_coder=dict(target_stds=[1.0, 1.0, 1.0, 'x'])))",
    ],
)
def test_boxes_stay_if_it_is_not_known_how_they_are_scaled(text):
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    given = {name: value.clone() for name, value in there['state_dict'].items()}
    if text is not None:
        there['meta']['cfg'] = text
    weights, told = start(tiny_detector('retinanet', 3), there, HERE)
    assert 'does not tell the target_stds of bbox_head, taken to be [0.1, 0.1, 0.2, 0.2]' in told
    assert differing(weights, given) == set()


def test_boxes_of_a_stage_of_a_cascade_are_rescaled():
    stage = functools.partial(dict, type='DeltaXYWHBBoxCoder')

    class Cascade(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bbox_head = torch.nn.ModuleList(torch.nn.Module() for _ in range(2))
            for head, std in zip(self.bbox_head, (0.1, 0.05)):
                head.bbox_coder = TASK_UTILS.build(stage(target_stds=[std] * 4, _scope_='mmdet'))
                head.fc_reg = torch.nn.Linear(1, 4)

    model = Cascade()
    weights = {name: torch.ones_like(value) for name, value in model.state_dict().items()}
    trained = dict(bbox_head=[dict(bbox_coder=stage()), dict(bbox_coder=stage())])
    assert len(rescale_boxes(model, trained, weights)) == 2
    assert weights['bbox_head.0.fc_reg.weight'].flatten().tolist() == pytest.approx([10] * 4)
    assert weights['bbox_head.1.fc_reg.bias'].tolist() == pytest.approx([20] * 4)


def test_a_backbone_of_which_nothing_fits_is_a_warning():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    for name in there['state_dict']:
        if name.startswith('backbone.'):
            there['state_dict'][name] = torch.zeros(1, 1, 1)
    model = tiny_detector('retinanet', 3).requires_grad_(True)
    _, text = start(model, there, HERE)
    assert 'nothing of the backbone of coco.pth fits this one: little will be gained' in text
    _, text = start(model, checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE), HERE)
    assert 'nothing of the backbone' not in text


def test_layers_that_are_frozen_must_not_stay_random():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    for name in [name for name in there['state_dict'] if 'backbone.layer1' in name]:
        del there['state_dict'][name]
    model = tiny_detector('retinanet', 3)
    assert not model.backbone.layer1[0].conv1.weight.requires_grad
    message = r'does not have what is frozen here and would stay random: backbone\.layer1'
    with pytest.raises(CheckpointError, match=message):
        start(model, copy.deepcopy(there), HERE)
    model.backbone.init_cfg = dict(type='Pretrained', checkpoint='torchvision://resnet18')
    start(model, there, HERE)


def test_images_prepared_otherwise_are_told():
    there = checkpoint_of(tiny_detector('retinanet', 3, seed=1), HERE)
    images = 'dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False)'
    start_of_head = "dict(init_cfg=dict(type='Normal', std=7))"
    text = f'model = dict(data_preprocessor={images}, bbox_head={start_of_head})'
    there['meta']['cfg'] = text
    settings = tiny_config('retinanet', 3).model
    settings.bbox_head.init_cfg = dict(type='Normal', std=0.01)
    _, text = start(tiny_detector('retinanet', 3), there, HERE, settings=settings)
    for name in ('mean=[103.53', 'std=[1.0', 'bgr_to_rgb=False'):
        assert f'trained with data_preprocessor.{name}' in text
    assert 'init_cfg' not in text


def test_settings_are_compared_in_each_stage_of_a_cascade():
    def cascade(*stds):
        return dict(roi_head=dict(bbox_head=[dict(bbox_coder=dict(target_stds=x)) for x in stds]))

    found = list(differences(cascade([1], [2], [3]), cascade([1], [4])))
    assert found == [('roi_head.bbox_head.1.bbox_coder.target_stds', [2], [4])]
    assert list(differences(dict(scales=[]), dict(scales=[8]))) == [('scales', [], [8])]


def test_config_text_that_python_cannot_evaluate_is_left_out():
    assert settings_of('a = {[1]}\nb = {{}}\nc = 1') == dict(a=None, b=None, c=1)


@pytest.mark.parametrize('refuse', [fine_tune, check_fits])
@pytest.mark.parametrize(
    'content, found',
    [
        ([1], 'list'),
        ({}, 'nothing in it'),
        (dict(optimizer={}, meta=dict(epoch=1)), "dict with 'optimizer', 'meta'"),
        (dict(state_dict='no'), "dict with 'state_dict'"),
        (dict(state_dict=dict(weight=[1.0])), "dict with 'state_dict'"),
    ],
)
def test_no_checkpoint(refuse, content, found):
    with pytest.raises(CheckpointError, match=rf'x\.pth is no checkpoint of a model.*{found}'):
        refuse(tiny_detector('retinanet', 2), content, 'x.pth')


def test_nothing_fits():
    there = dict(state_dict=dict(encoder=torch.ones(3), decoder=torch.ones(2)))
    untouched = copy.deepcopy(there)
    with pytest.raises(CheckpointError) as error:
        fine_tune(tiny_detector('retinanet', 2), there, 'x.pth')
    text = str(error.value)
    assert 'nothing of x.pth fits the model, a RetinaNet' in text
    assert 'its weights are of encoder, decoder' in text
    assert 'those of the model are of backbone (conv1, bn1' in text
    assert there.keys() == untouched.keys()


def test_weights_of_a_backbone_are_told():
    backbone = tiny_detector('retinanet', 2).backbone.state_dict()
    with pytest.raises(CheckpointError, match=r'the backbone alone.*backbone\.init_cfg'):
        fine_tune(tiny_detector('retinanet', 2), backbone, 'resnet.pth')


class TestCheckFits:
    def test_its_own_checkpoint(self):
        model = tiny_detector('faster-rcnn', 3)
        check_fits(model, checkpoint_of(model, HERE), 'x.pth', HERE)

    @pytest.mark.parametrize(
        'family, stock, reason',
        [
            ('retinanet', True, 'bbox_head.retina_cls: 4 classes in the checkpoint, 3 here'),
            ('faster-rcnn', False, 'fc_cls: 4 classes in the checkpoint, 3 here'),
            ('atss', False, 'bbox_head.atss_cls: 4 classes'),
        ],
    )
    def test_another_number_of_classes(self, family, stock, reason):
        there = checkpoint_of(tiny_detector(family, 4, stock=stock))
        with pytest.raises(CheckpointError, match=rf'x\.pth is not for this model.*{reason}'):
            check_fits(tiny_detector(family, 3), there, 'x.pth')

    def test_missing_weights(self):
        model = tiny_detector('retinanet', 3)
        there = checkpoint_of(model)
        del there['state_dict']['neck.fpn_convs.2.conv.bias']
        with pytest.raises(CheckpointError, match=r'fpn_convs\.2: bias not in the checkpoint'):
            check_fits(model, there, 'x.pth')

    def test_softmax_for_a_ranking(self):
        there = checkpoint_of(tiny_detector('faster-rcnn', 3, stock=True), HERE)
        with pytest.raises(CheckpointError, match='fc_cls: it has an output for the background'):
            check_fits(tiny_detector('faster-rcnn', 3), there, 'x.pth', HERE)

    def test_another_architecture(self):
        there = checkpoint_of(tiny_detector('faster-rcnn', 3))
        with pytest.raises(CheckpointError, match='a part would be left random'):
            check_fits(tiny_detector('fovea', 3), there, 'x.pth')

    @pytest.mark.parametrize(
        'classes, message',
        [
            (('dog', 'cat', 'eel'), 'in another order'),
            (('dog', 'cat'), 'the data have 2, not 3: dog, cat'),
        ],
    )
    def test_other_classes(self, classes, message):
        model = tiny_detector('fovea', 3)
        with pytest.raises(CheckpointError, match=message):
            check_fits(model, checkpoint_of(model, HERE), 'x.pth', classes)

    def test_other_names_are_told(self, monkeypatch):
        printed = []
        monkeypatch.setattr(
            'alrp_mmdet.transfer.fine_tuning.loading.print_log',
            lambda text, **_: printed.append(text),
        )
        model = tiny_detector('fovea', 3)
        check_fits(model, checkpoint_of(model, HERE), 'x.pth', ('Cat', 'dog', 'eel'))
        assert ['have other names: Cat, dog, eel' in text for text in printed] == [True]
        check_fits(model, checkpoint_of(model), 'x.pth', HERE)
        check_fits(model, checkpoint_of(model, HERE), 'x.pth')
        assert len(printed) == 1
