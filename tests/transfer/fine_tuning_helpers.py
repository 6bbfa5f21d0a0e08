"""Small checkpoints, and what a model loads from them."""

from collections import OrderedDict

import pytest

from alrp_mmdet.transfer.fine_tuning import fine_tune

FAMILIES = ('retinanet', 'atss', 'fovea', 'faster-rcnn', 'solov2', 'yolact')
CLASSIFIER = {
    'retinanet': 'bbox_head.retina_cls',
    'atss': 'bbox_head.atss_cls',
    'fovea': 'bbox_head.conv_cls',
    'faster-rcnn': 'roi_head.bbox_head.fc_cls',
    'solov2': 'mask_head.conv_cls',
    'yolact': 'bbox_head.conv_cls',
}
PRIORS = {'retinanet': 6, 'atss': 2, 'fovea': 1, 'faster-rcnn': 1, 'solov2': 1, 'yolact': 3}
BOXES = 'roi_head.bbox_head.fc_reg'
# Classes of a model, and of a checkpoint.
CLASSES, CHECKPOINT_CLASSES = ('cat', 'dog', 'eel'), ('dog', 'cow', 'cat', 'ant')


def checkpoint_of(model, classes=None, **changes):
    """A checkpoint with copies of the weights of a model."""
    state_dict = OrderedDict((name, value.clone()) for name, value in model.state_dict().items())
    checkpoint = dict(state_dict=state_dict, meta={}, **changes)
    if classes is not None:
        checkpoint['meta']['dataset_meta'] = dict(classes=classes)
    return checkpoint


def load(model, checkpoint, classes=None, **kwargs):
    """Fine-tune a model from a checkpoint.

    Returns:
        tuple: Its weights before the first step, and the log.
    """
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            'alrp_mmdet.transfer.fine_tuning.loading.print_log',
            lambda text, **_: printed.append(text),
        )
        fine_tune(model, checkpoint, 'coco.pth', classes, **kwargs)
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    return model.state_dict(), '\n'.join(printed)


def has_line(text: str, *facts: str, section: str = '') -> bool:
    """Whether a line of a log has all these facts; in a section of it, if one is given."""
    lines, title = [], ''
    for line in text.splitlines():
        if not line.startswith(' '):
            title = line.rstrip(':')
        if title == section or not section:
            lines.append(line)
    return any(all(fact in line for fact in facts) for line in lines)


def differing_layers(first, second) -> set[str]:
    """Layers whose weights are not equal in two state dicts. Ignores self-balance."""
    return {
        name.rpartition('.')[0]
        for name, value in first.items()
        if 'self_balance' not in name
        and (
            name not in second or value.shape != second[name].shape or (value != second[name]).any()
        )
    }
