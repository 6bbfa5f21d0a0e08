"""Box layers of a checkpoint whose box coder has other standard deviations."""

import functools

import pytest
import torch
from fine_tuning_helpers import CLASSES, checkpoint_of, differing_layers, has_line, load
from mmdet.registry import MODELS, TASK_UTILS
from tiny_detectors import tiny_config, tiny_detector

from alrp_mmdet.transfer.fine_tuning.box_scale import rescale_boxes

UNSCALED = "dict(type='DeltaXYWHBBoxCoder')"  # its default target_stds are 1


@pytest.mark.parametrize('key', ['cfg', 'config_text'])
def test_a_note_lists_rescaled_layers(key):
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    given = {name: value.clone() for name, value in checkpoint['state_dict'].items()}
    checkpoint['meta'][key] = f'model = dict(bbox_head=dict(bbox_coder={UNSCALED}))'
    weights, text = load(tiny_detector('retinanet', 3), checkpoint, CLASSES)
    stds = 'target_stds [1.0, 1.0, 1.0, 1.0]', '[0.1, 0.1, 0.2, 0.2]'
    assert has_line(text, *stds, 'rescaled bbox_head.retina_reg', section='note')
    name = 'bbox_head.retina_reg.weight'
    torch.testing.assert_close(weights[name][:2], given[name][:2] * 10)
    assert differing_layers(weights, given) == {'bbox_head.retina_reg'}


def test_no_note_on_a_layer_that_is_reinitialized():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    checkpoint['meta']['cfg'] = f'model = dict(bbox_head=dict(bbox_coder={UNSCALED}))'
    key = 'bbox_head.retina_reg.weight'
    checkpoint['state_dict'][key] = checkpoint['state_dict'][key][..., :1, :1]
    _, text = load(tiny_detector('retinanet', 3), checkpoint, CLASSES)
    assert 'bbox_head.retina_reg: ' in text and 'target_stds' not in text


@pytest.mark.parametrize(
    'family, heads',
    [
        ('retinanet', {'bbox_head': 'retina_reg'}),
        ('atss', {'bbox_head': 'atss_reg'}),
        ('faster-rcnn', {'rpn_head': 'rpn_reg', 'roi_head.bbox_head': 'fc_reg'}),
    ],
)
def test_decoded_boxes_stay_the_same(family, heads):
    cfg = tiny_config(family, 3, stock=True)
    for i, path in enumerate(heads):
        coder = functools.reduce(dict.get, path.split('.'), cfg.model).bbox_coder
        coder.update(target_stds=[0.5 + i, 1.0, 0.3, 2.0])
    torch.manual_seed(0)
    trained = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    for path, name in heads.items():
        torch.nn.init.normal_(trained.get_submodule(f'{path}.{name}').bias)
    checkpoint = checkpoint_of(trained, CLASSES)
    checkpoint['meta']['cfg'] = cfg.pretty_text
    model = tiny_detector(family, 3)
    _, text = load(model, checkpoint, CLASSES, model_cfg=tiny_config(family, 3).model)
    anchors = torch.tensor([[10.0, 20, 50, 70]]).expand(24, 4)
    for path, name in heads.items():
        assert has_line(text, f'rescaled {path}.{name}', section='note')
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
    'config',
    [
        None,
        'model = dict(',
        'model = dict(bbox_head=3)',
        "model = dict(bbox_head=dict(bbox_coder=dict(target_stds='wide')))",
        'model = dict(bbox_head=dict(bbox_coder=dict(target_stds=[1.0, 1.0])))',
        "model = dict(bbox_head=dict(bbox_coder=dict(target_stds=[1.0, 1.0, 1.0, 'x'])))",
    ],
)
def test_unknown_stds_leave_boxes_unchanged_and_a_note_says_so(config):
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    given = {name: value.clone() for name, value in checkpoint['state_dict'].items()}
    if config is not None:
        checkpoint['meta']['cfg'] = config
    weights, text = load(tiny_detector('retinanet', 3), checkpoint, CLASSES)
    facts = 'not record target_stds', 'bbox_head', '[0.1, 0.1, 0.2, 0.2]'
    assert has_line(text, *facts, section='note')
    assert differing_layers(weights, given) == set()


def test_stages_of_a_cascade_are_rescaled():
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
