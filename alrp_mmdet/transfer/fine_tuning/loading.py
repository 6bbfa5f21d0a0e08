"""Prepare a checkpoint for a model, or refuse it."""

import logging
from collections import OrderedDict

from mmengine.logging import print_log
from torch import nn

from alrp.text import format_list

from ..checkpoint_config import decoding_differences, read_model_cfg
from ..safe_loading import CheckpointError
from .box_scale import rescale_boxes
from .class_layers import Names
from .comparison import Comparison, compare
from .state_dicts import (
    affects_predictions,
    class_names,
    extract_weights,
    summarize_modules,
    unwrap_model,
)

_THAW = (
    'use pretrained weights for the backbone (model.backbone.init_cfg), or train all of it '
    '(model.backbone.frozen_stages=-1 and model.backbone.norm_eval=False)'
)


def fine_tune(
    model: nn.Module,
    checkpoint: dict,
    filename: str,
    classes: Names = None,
    keep_matching_classes: bool = False,
    model_cfg: dict | None = None,
) -> None:
    """Change a checkpoint so that a model can start training from it, and log what was loaded.

    Args:
        model (nn.Module): An initialised detector. It is not changed.
        checkpoint (dict): The checkpoint. Its state dict is replaced by one that fits exactly:
            weights that do not fit are the model's own. Box layers are rescaled if the box coder
            of the model has other standard deviations.
        filename (str): The file, for messages.
        classes (Sequence[str] | None): Class names of the training data, if known.
        keep_matching_classes (bool): Whether layers for other classes load the outputs of the
            classes whose names match.
        model_cfg (dict | None): Config of the model, to compare with the one in the checkpoint.

    Raises:
        CheckpointError: If the file has no weights, if none fit, or if frozen layers would keep
            random weights.
    """
    model = unwrap_model(model)
    weights = extract_weights(checkpoint, filename)
    checkpoint_cfg = read_model_cfg(checkpoint)
    box_notes = rescale_boxes(model, checkpoint_cfg, weights)
    result = compare(model, weights, classes, class_names(checkpoint), keep_matching_classes)
    loaded = result.loaded | result.partly_loaded
    result.notes += [
        f'the checkpoint {note}' for layer, note in box_notes.items() if f'{layer}.weight' in loaded
    ]
    result.notes += _list_differences(checkpoint_cfg, model_cfg, ignore='target_stds')
    if result.nothing_loaded:
        raise CheckpointError(
            f'no weights of {filename} fit the model, a {type(model).__name__}: the checkpoint has '
            f'{summarize_modules(weights)}; the model has '
            f'{summarize_modules(result.model_weights)}. {_hint(weights, result.model_weights)}'
        )
    print_log(f'Fine-tuning from {filename}\n{result.report()}', logger='current')
    _check_backbone(model, result, filename)
    if 'state_dict' not in checkpoint:
        checkpoint.clear()
    state_dict = OrderedDict({**result.model_weights, **loaded})
    state_dict._metadata = result.model_weights._metadata
    checkpoint['state_dict'] = state_dict


def check_fits(
    model: nn.Module,
    checkpoint: dict,
    filename: str,
    classes: Names = None,
    model_cfg: dict | None = None,
) -> None:
    """Refuse a checkpoint that lacks weights of a model.

    MMEngine would only log a warning and use random weights.

    Args:
        model (nn.Module): A detector. It is not changed.
        checkpoint (dict): The checkpoint.
        filename (str): The file, for messages.
        classes (Sequence[str] | None): Class names of the data, if known.
        model_cfg (dict | None): Config of the model. A warning lists where the config in the
            checkpoint decodes boxes differently.

    Raises:
        CheckpointError: If the file has no weights, if weights are missing or have another shape,
            or if the checkpoint has another number of classes or another order of them.
    """
    model = unwrap_model(model)
    weights = extract_weights(checkpoint, filename)
    result = compare(model, weights)
    if result.reinitialized:
        raise CheckpointError(
            f'{filename} does not fit this model, and '
            f'{"all" if result.nothing_loaded else "some"} weights would be random: '
            f'{format_list(result.mismatches(), 5)}. Use the config that it was trained with. To '
            'fine-tune it instead, set load_from and train'
        )
    for difference in _list_differences(read_model_cfg(checkpoint), model_cfg):
        print_log(f'{filename}: {difference}', logger='current', level=logging.WARNING)
    trained = class_names(checkpoint)
    if not classes or not trained or list(classes) == list(trained):
        return
    both = (
        f'{filename} was trained with the classes {format_list(trained)}, but the classes of the '
        f'data are {format_list(classes)}'
    )
    if len(classes) != len(trained):
        raise CheckpointError(f'{both}: {len(trained)} and {len(classes)} classes')
    if sorted(classes) == sorted(trained):
        raise CheckpointError(
            f'{both}: in another order, so that detections would count for the wrong class. Put '
            'the classes of the data, and the categories of the annotation file, in the order of '
            'the checkpoint'
        )
    print_log(
        f'{both}. Assuming the same classes in the same order under other names',
        logger='current',
        level=logging.WARNING,
    )


def _list_differences(
    checkpoint_cfg: dict | None, model_cfg: dict | None, ignore: str | None = None
) -> list[str]:
    """Settings by which the two models decode the same outputs, or prepare images, differently."""
    if checkpoint_cfg is None or model_cfg is None:
        return []
    return [
        f'trained with {name}={theirs}, but the config has {ours}'
        for name, theirs, ours in decoding_differences(checkpoint_cfg, model_cfg)
        if name.rpartition('.')[2] != ignore
    ]


def _check_backbone(model: nn.Module, result: Comparison, filename: str) -> None:
    """Refuse frozen layers with random weights, and warn if nothing of the backbone was loaded."""
    names = [
        name
        for name in result.model_weights
        if name.startswith('backbone.') and affects_predictions(name)
    ]
    if names and not any(name in result.loaded for name in names):
        print_log(
            f'no weights of the backbone in {filename} fit the model: expect little benefit from '
            'this checkpoint',
            logger='current',
            level=logging.WARNING,
        )
    if _has_pretrained_backbone(model):
        return
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    if random := [name for name in result.reinitialized if name in frozen]:
        raise CheckpointError(
            f'{filename} lacks weights of frozen layers, which would stay random: '
            f'{format_list(random)}. If the checkpoint has another backbone, {_THAW}'
        )


def warn_of_frozen_random_layers(model: nn.Module) -> None:
    """Warn if a training from scratch would keep random weights in the backbone.

    Args:
        model (nn.Module): A detector, initialised without a checkpoint.
    """
    model = unwrap_model(model)
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, nn.Module) or _has_pretrained_backbone(model):
        return
    parameters = dict(backbone.named_parameters())
    frozen = [name for name, value in parameters.items() if not value.requires_grad]
    if frozen:
        print_log(
            f'{len(frozen)} of {len(parameters)} parameters of the backbone are frozen, and stay '
            f'random because no pretrained weights are set: {format_list(frozen, 3)}. To change '
            f'it, {_THAW}',
            logger='current',
            level=logging.WARNING,
        )


def _has_pretrained_backbone(model: nn.Module) -> bool:
    modules = getattr(model, 'backbone', None), model
    return any('Pretrained' in str(getattr(module, 'init_cfg', None)) for module in modules)


def _hint(weights: dict, model_weights: dict) -> str:
    prefix = 'backbone.'
    if any(
        f'{prefix}{key}' in model_weights and model_weights[f'{prefix}{key}'].shape == value.shape
        for key, value in weights.items()
    ):
        return (
            'The file seems to have the weights of a backbone only. Load it with '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...)"
        )
    return 'Set load_from to a checkpoint of the same architecture'
