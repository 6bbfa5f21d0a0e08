"""The config text in a checkpoint, and how it differs from the config of a model."""

from fine_tuning_helpers import CLASSES, checkpoint_of, has_line, load
from tiny_detectors import tiny_config, tiny_detector

from alrp_mmdet.transfer.checkpoint_config import decoding_differences, parse_literals


def test_notes_list_differences_in_image_normalisation():
    checkpoint = checkpoint_of(tiny_detector('retinanet', 3, seed=1), CLASSES)
    images = 'dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False)'
    head = "dict(init_cfg=dict(type='Normal', std=7))"
    text = f'model = dict(data_preprocessor={images}, bbox_head={head})'
    checkpoint['meta']['cfg'] = text
    model_cfg = tiny_config('retinanet', 3).model
    model_cfg.bbox_head.init_cfg = dict(type='Normal', std=0.01)
    _, text = load(tiny_detector('retinanet', 3), checkpoint, CLASSES, model_cfg=model_cfg)
    for setting in ('mean=[103.53', 'std=[1.0', 'bgr_to_rgb=False'):
        assert has_line(text, f'data_preprocessor.{setting}', section='note')
    assert 'init_cfg' not in text


def test_each_stage_of_a_cascade_is_compared():
    def cascade(*stds):
        return dict(roi_head=dict(bbox_head=[dict(bbox_coder=dict(target_stds=x)) for x in stds]))

    found = list(decoding_differences(cascade([1], [2], [3]), cascade([1], [4])))
    assert found == [('roi_head.bbox_head.1.bbox_coder.target_stds', [2], [4])]
    assert list(decoding_differences(dict(scales=[]), dict(scales=[8]))) == [('scales', [], [8])]


def test_entries_that_are_not_literals_are_omitted():
    assert parse_literals('a = {[1]}\nb = {{}}\nc = 1\nd = 1\nd = f()') == dict(c=1)
    trained = parse_literals('model = dict(mean=[f(), 2], std=f(), style=None, **others)')['model']
    assert trained == dict(style=None)
    assert not [*decoding_differences(trained, dict(mean=[1, 2], std=[1]))]
