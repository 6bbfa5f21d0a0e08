"""Read the weights and class names of a checkpoint."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from alrp.text import format_list

from ..safe_loading import CheckpointError

# The batch counter of batch normalisation, and the state of self-balance, which every training
# that is not resumed resets.
_WITHOUT_EFFECT = re.compile(r'(^|\.)(num_batches_tracked$|self_balance\.)')


def affects_predictions(key: str) -> bool:
    """Whether an entry of a state dict has an effect on predictions."""
    return _WITHOUT_EFFECT.search(key) is None


def unwrap_model(model: nn.Module) -> nn.Module:
    """The detector inside wrappers for distributed training or test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def extract_weights(checkpoint: object, filename: str) -> OrderedDict[str, Tensor]:
    """Extract the weights from a checkpoint or a bare state dict.

    Args:
        checkpoint (object): Content of the file.
        filename (str): The file, for messages.

    Returns:
        OrderedDict[str, Tensor]: By name, without the prefix ``module.`` of distributed training.
        Versions of modules are kept in torch's attribute ``_metadata``.

    Raises:
        CheckpointError: If it has no weights.
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
            found = f'dict with {format_list(map(repr, checkpoint)) or "no entries"}'
        raise CheckpointError(
            f"{filename} is not a checkpoint of a model: expected a dict with 'state_dict', or a "
            f'state dict, got a {found}'
        )
    tensors._metadata = getattr(weights, '_metadata', {})
    return tensors


def class_names(checkpoint: dict) -> tuple[str, ...] | None:
    """The class names that a checkpoint was trained with, in the order of labels.

    Reads the metadata of MMEngine (``dataset_meta``) and of MMDetection 2 (``CLASSES``).

    Args:
        checkpoint (dict): The checkpoint.

    Returns:
        tuple[str, ...] | None: The names, or None if the checkpoint has none.
    """
    meta = checkpoint.get('meta')
    if not isinstance(meta, dict):
        return None
    for source in (meta.get('dataset_meta'), meta):
        if isinstance(source, dict):
            names = source.get('classes', source.get('CLASSES'))
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


def match_names(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Find the weights of a model in a state dict, also under names of older versions.

    Modules translate older names when they load a state dict. This runs the same code without
    loading anything, so that shapes may differ.

    Args:
        model (nn.Module): The model. It is not changed.
        weights (dict[str, Tensor]): A state dict.

    Returns:
        dict[str, Tensor]: The same tensors, under the names of ``model.state_dict()``.
    """
    found = {}
    versions = getattr(weights, '_metadata', {})

    def take(module: nn.Module, state_dict: dict, prefix: str, *_) -> None:
        for name in (*module._parameters, *module._buffers):
            if prefix + name in state_dict:
                found[prefix + name] = state_dict.pop(prefix + name)

    def visit(module: nn.Module, state_dict: dict, prefix: str) -> None:
        version = versions.get(prefix[:-1], {})
        module._load_from_state_dict(state_dict, prefix, version, False, [], [], [])
        for name, child in module._modules.items():
            if child is not None:
                inner = f'{prefix}{name}.'
                visit(child, {k: v for k, v in state_dict.items() if k.startswith(inner)}, inner)

    hooks = [module.register_load_state_dict_pre_hook(take) for module in model.modules()]
    try:
        visit(model, dict(weights), '')
    finally:
        for hook in hooks:
            hook.remove()
    names = model.state_dict().keys()
    return {name: value for name, value in found.items() if name in names}


def summarize_modules(keys: Iterable[str]) -> str:
    """The top-level modules of a state dict: ``backbone (conv1, bn1 and 4 more), neck ...``."""
    tree = {}
    for key in filter(affects_predictions, keys):
        top, _, rest = key.partition('.')
        tree.setdefault(top, {})[rest.partition('.')[0]] = None
    tree = {top: format_list(filter(None, inner), 4) for top, inner in tree.items()}
    return format_list((f'{top} ({inner})' if inner else top for top, inner in tree.items()), 6)
