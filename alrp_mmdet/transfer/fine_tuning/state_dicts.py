"""What a checkpoint holds, under the names that a model has for it."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from alrp.text import format_list

from ..safe_loading import CheckpointError

# What no prediction depends on: a counter of batch normalisation, and self-balance, which begins
# anew with every training that is not resumed.
_WITHOUT_EFFECT = re.compile(r'(^|\.)(num_batches_tracked$|self_balance\.)')


def matters(key: str) -> bool:
    """Whether an entry of a state dict has an effect on predictions."""
    return _WITHOUT_EFFECT.search(key) is None


def detector_of(model: nn.Module) -> nn.Module:
    """The detector within wrappers, for several processes or for test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def weights_of(checkpoint: object, filename: str) -> OrderedDict[str, Tensor]:
    """The weights in a checkpoint, which may also be a bare state dict.

    Args:
        checkpoint (object): What was in the file.
        filename (str): The file, for messages.

    Returns:
        OrderedDict[str, Tensor]: By name, without the ``module.`` of models trained in several
        processes. Versions of modules come with it, as torch's ``_metadata``.

    Raises:
        CheckpointError: If it is no checkpoint.
    """
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    tensors = OrderedDict()
    if isinstance(weights, dict):
        tensors.update(
            (re.sub(r'^module\.', '', str(key)), value)
            for key, value in weights.items()
            if isinstance(value, Tensor)
        )
    if not tensors:
        found = type(checkpoint).__name__
        if isinstance(checkpoint, dict):
            found = f'dict with {format_list(map(repr, checkpoint)) or "nothing in it"}'
        raise CheckpointError(
            f"{filename} is no checkpoint of a model: weights by their names, as 'state_dict' or "
            f'by themselves, are missing; it is a {found}'
        )
    tensors._metadata = getattr(weights, '_metadata', {})
    return tensors


def class_names(checkpoint: dict) -> tuple[str, ...] | None:
    """Names of the classes that a checkpoint was trained with, in the order of labels.

    Both notes are read, that of MMEngine (``dataset_meta``) and that of MMDetection 2
    (``CLASSES``).

    Args:
        checkpoint (dict): The checkpoint.

    Returns:
        tuple[str, ...] | None: The names; None if it does not tell.
    """
    meta = checkpoint.get('meta')
    if not isinstance(meta, dict):
        return None
    dataset_meta = meta.get('dataset_meta')
    for note in (dataset_meta, meta):
        if isinstance(note, dict):
            names = note.get('classes', note.get('CLASSES'))
            if _are_names(names):
                return tuple(names)
    return None


def _are_names(names: object) -> bool:
    return (
        isinstance(names, Sequence)
        and not isinstance(names, str)
        and len(names) > 0
        and all(isinstance(name, str) for name in names)
    )


def named_as_in(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that a model has a place for, under its own names.

    Modules may know older names of their weights, by which they find them when a state dict is
    loaded. Here they look for them in the same way, but nothing is loaded, so that shapes do not
    matter.

    Args:
        model (nn.Module): The model. It does not change.
        weights (dict[str, Tensor]): A state dict.

    Returns:
        dict[str, Tensor]: The same tensors, by names of ``model.state_dict()``.
    """
    found = {}
    versions = getattr(weights, '_metadata', {})

    def take(module: nn.Module, state_dict: dict, prefix: str, *_) -> None:
        for name in (*module._parameters, *module._buffers):
            if prefix + name in state_dict:
                found[prefix + name] = state_dict.pop(prefix + name)

    def look(module: nn.Module, state_dict: dict, prefix: str) -> None:
        version = versions.get(prefix[:-1], {})
        module._load_from_state_dict(state_dict, prefix, version, False, [], [], [])
        for name, child in module._modules.items():
            if child is not None:
                inner = f'{prefix}{name}.'
                look(child, {k: v for k, v in state_dict.items() if k.startswith(inner)}, inner)

    hooks = [module.register_load_state_dict_pre_hook(take) for module in model.modules()]
    try:
        look(model, dict(weights), '')
    finally:
        for hook in hooks:
            hook.remove()
    names = model.state_dict().keys()
    return {name: value for name, value in found.items() if name in names}


def outline(keys: Iterable[str]) -> str:
    """The modules that a state dict is of, in words: backbone (conv1, bn1 and 4 more), neck ..."""
    tree = {}
    for key in filter(matters, keys):
        top, _, rest = key.partition('.')
        tree.setdefault(top, {})[rest.partition('.')[0]] = None
    tree = {top: format_list(filter(None, inner), 4) for top, inner in tree.items()}
    return format_list((f'{top} ({inner})' if inner else top for top, inner in tree.items()), 6)
