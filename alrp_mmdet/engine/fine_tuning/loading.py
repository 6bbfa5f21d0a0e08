"""What is done with a checkpoint before a model loads it."""

import logging
from collections import OrderedDict

from mmengine.logging import print_log
from torch import nn

from ...datasets.annotation_file import few
from ..checkpoint import CheckpointError
from ..config_text import differences, settings_of
from .box_scale import rescale_boxes
from .class_layers import Names
from .comparison import compare
from .state_dicts import class_names, detector_of, outline, weights_of


def fine_tune(
    model: nn.Module,
    checkpoint: dict,
    filename: str,
    classes: Names = None,
    keep_matching_classes: bool = False,
    settings: dict | None = None,
) -> None:
    """Make a checkpoint fit a model that is to be trained on, and print what of it does.

    Args:
        model (nn.Module): A detector, initialised. It does not change.
        checkpoint (dict): The checkpoint. Its state dict is replaced by one that fits exactly, with
            the weights of the model for all that starts anew.
        filename (str): The file it is from, for messages.
        classes (Sequence[str] | None): Names of the classes of the training data, if known.
        keep_matching_classes (bool): Whether layers of other classes keep the outputs of those
            whose names match.
        settings (dict | None): The config of the model, to be compared with the checkpoint's.

    Raises:
        CheckpointError: If it is no checkpoint, or if nothing of it fits.
    """
    model = detector_of(model)
    weights = weights_of(checkpoint, filename)
    others = _other_settings(checkpoint, settings)
    rescaled = [rescale_boxes(model, name, there, weights) for name, there, _ in others]
    result = compare(model, weights, classes, class_names(checkpoint), keep_matching_classes)
    for other, layers in zip(others, rescaled):
        taken = [x for x in layers if f'{x}.weight' in (result.fitting | result.kept)]
        and_so = f': {few(taken)} rescaled, to predict the same boxes' if taken else ''
        result.notes.append(_told(*other) + and_so)
    if result.fits_nowhere:
        raise CheckpointError(
            f'nothing of {filename} fits the model, a {type(model).__name__}: its weights are of '
            f'{outline(weights)}; those of the model are of {outline(result.own)}. '
            + _advice(weights, result.own)
        )
    print_log(f'Fine-tuning from {filename}\n{result.report()}', logger='current')
    if 'state_dict' not in checkpoint:
        checkpoint.clear()
    state_dict = OrderedDict({**result.own, **result.fitting, **result.kept})
    state_dict._metadata = result.own._metadata
    checkpoint['state_dict'] = state_dict


def check_fits(
    model: nn.Module,
    checkpoint: dict,
    filename: str,
    classes: Names = None,
    settings: dict | None = None,
) -> None:
    """Refuse a checkpoint that lacks something of a model that is to be used as it is.

    MMEngine would go on with random weights instead, and tell only in the log.

    Args:
        model (nn.Module): A detector. It does not change.
        checkpoint (dict): The checkpoint.
        filename (str): The file it is from, for messages.
        classes (Sequence[str] | None): Names of the classes of the data, if known.
        settings (dict | None): The config of the model, to be compared with the checkpoint's: a
            warning tells where boxes are decoded differently.

    Raises:
        CheckpointError: If it is no checkpoint, if weights are missing or of another shape, or if
            it is for the same classes in another order or for another number of them.
    """
    model = detector_of(model)
    weights = weights_of(checkpoint, filename)
    result = compare(model, weights)
    if result.anew:
        raise CheckpointError(
            f'{filename} is not for this model, of which '
            f'{"everything" if result.fits_nowhere else "a part"} would be left random: '
            f'{few(result.reasons(), 5)}. Use it with the config that it was trained with; to '
            'train on from it, set load_from and use tools/train.py'
        )
    for other in _other_settings(checkpoint, settings):
        print_log(f'{filename}: {_told(*other)}', logger='current', level=logging.WARNING)
    trained = class_names(checkpoint)
    if not classes or not trained or list(classes) == list(trained):
        return
    what = f'{filename} was trained with the classes {few(trained)}, and the data have'
    if len(classes) != len(trained):
        raise CheckpointError(f'{what} {len(classes)}, not {len(trained)}: {few(classes)}')
    if sorted(classes) == sorted(trained):
        raise CheckpointError(
            f'{what} them in another order, {few(classes)}: detections would be counted for the '
            'wrong class. Order the classes of the data, and the categories of the annotation '
            'file, alike'
        )
    print_log(
        f'{what} other names: {few(classes)}. They are taken to be the same classes in the same '
        'order',
        logger='current',
        level=logging.WARNING,
    )


def _other_settings(checkpoint: dict, settings: dict | None) -> list[tuple[str, object, object]]:
    """Where the config in a checkpoint, if it has one, gives the same outputs another meaning."""
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    text = meta.get('cfg', meta.get('config_text'))
    if settings is None or not isinstance(text, str):
        return []
    try:
        trained = settings_of(text).get('model')
    except ValueError:
        return []
    return list(differences(trained, settings)) if isinstance(trained, dict) else []


def _told(name: str, there: object, here: object) -> str:
    return f'trained with {name}={there}, which is {here} here'


def _advice(weights: dict, own: dict) -> str:
    backbone = [f'backbone.{key}' for key in weights]
    if any(key in own and own[key].shape == weights[key[9:]].shape for key in backbone):
        return (
            'It looks like weights of the backbone alone, which belong elsewhere: '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...)"
        )
    return 'Name a checkpoint of the same architecture as load_from'
