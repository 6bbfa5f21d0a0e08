"""What is done with a checkpoint before a model loads it."""

import logging
from collections import OrderedDict

from mmengine.logging import print_log
from torch import nn

from alrp.text import format_list

from ..checkpoint_config import differences, settings_of
from ..safe_loading import CheckpointError
from .box_scale import rescale_boxes
from .class_layers import Names
from .comparison import Comparison, compare
from .state_dicts import class_names, detector_of, matters, outline, weights_of


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
            the weights of the model for all that starts anew. Box layers are rescaled where the
            box coder of the model has other standard deviations.
        filename (str): The file it is from, for messages.
        classes (Sequence[str] | None): Names of the classes of the training data, if known.
        keep_matching_classes (bool): Whether layers of other classes keep the outputs of those
            whose names match.
        settings (dict | None): The config of the model, to be compared with the checkpoint's.

    Raises:
        CheckpointError: If it is no checkpoint, if nothing of it fits, or if layers would stay
            random since they are frozen.
    """
    model = detector_of(model)
    weights = weights_of(checkpoint, filename)
    trained = _trained(checkpoint)
    boxes = rescale_boxes(model, trained, weights)
    result = compare(model, weights, classes, class_names(checkpoint), keep_matching_classes)
    loaded = result.fitting | result.kept
    result.notes += [
        f'the checkpoint {note}' for layer, note in boxes.items() if f'{layer}.weight' in loaded
    ]
    result.notes += _other_settings(trained, settings, but='target_stds')
    if result.fits_nowhere:
        raise CheckpointError(
            f'nothing of {filename} fits the model, a {type(model).__name__}: its weights are of '
            f'{outline(weights)}; those of the model are of {outline(result.own)}. '
            + _advice(weights, result.own)
        )
    print_log(f'Fine-tuning from {filename}\n{result.report()}', logger='current')
    _check_backbone(model, result, filename)
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
            f'{format_list(result.reasons(), 5)}. Use it with the config that it was trained with; to '
            'train on from it, set load_from and use tools/train.py'
        )
    for note in _other_settings(_trained(checkpoint), settings):
        print_log(f'{filename}: {note}', logger='current', level=logging.WARNING)
    trained = class_names(checkpoint)
    if not classes or not trained or list(classes) == list(trained):
        return
    what = f'{filename} was trained with the classes {format_list(trained)}, and the data have'
    if len(classes) != len(trained):
        raise CheckpointError(f'{what} {len(classes)}, not {len(trained)}: {format_list(classes)}')
    if sorted(classes) == sorted(trained):
        raise CheckpointError(
            f'{what} them in another order, {format_list(classes)}: detections would be counted for the '
            'wrong class. Order the classes of the data, and the categories of the annotation '
            'file, alike'
        )
    print_log(
        f'{what} other names: {format_list(classes)}. They are taken to be the same classes in the same '
        'order',
        logger='current',
        level=logging.WARNING,
    )


def _trained(checkpoint: dict) -> dict | None:
    """``model`` of the config in a checkpoint, of which nothing is run; None if it has none."""
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    text = meta.get('cfg', meta.get('config_text'))
    try:
        trained = settings_of(text).get('model') if isinstance(text, str) else None
    except ValueError:
        return None
    return trained if isinstance(trained, dict) else None


def _other_settings(
    trained: dict | None, settings: dict | None, but: str | None = None
) -> list[str]:
    """Where one config gives the same outputs another meaning than the other does."""
    if trained is None or settings is None:
        return []
    return [
        f'trained with {name}={there}, which is {here} here'
        for name, there, here in differences(trained, settings)
        if name.rpartition('.')[2] != but
    ]


def _check_backbone(model: nn.Module, result: Comparison, filename: str) -> None:
    """Refuse a backbone that is neither loaded nor learns, and warn of any that is not loaded."""
    own = [name for name in result.own if name.startswith('backbone.') and matters(name)]
    if own and not any(name in result.fitting for name in own):
        print_log(
            f'nothing of the backbone of {filename} fits this one: little will be gained from it',
            logger='current',
            level=logging.WARNING,
        )
    backbone = getattr(model, 'backbone', None)
    if 'Pretrained' in str(getattr(backbone, 'init_cfg', None)):
        return
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    if random := [name for name in result.anew if name in frozen]:
        raise CheckpointError(
            f'{filename} does not have what is frozen here and would stay random: {format_list(random)}. '
            'If its backbone is another, keep the pretrained weights of yours '
            '(model.backbone.init_cfg), or let it learn (model.backbone.frozen_stages=-1 and '
            'model.backbone.norm_eval=False)'
        )


def _advice(weights: dict, own: dict) -> str:
    backbone = [f'backbone.{key}' for key in weights]
    if any(key in own and own[key].shape == weights[key[9:]].shape for key in backbone):
        return (
            'It looks like weights of the backbone alone, which belong elsewhere: '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...)"
        )
    return 'Name a checkpoint of the same architecture as load_from'
