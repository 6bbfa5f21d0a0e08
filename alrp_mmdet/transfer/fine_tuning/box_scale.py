"""Rescale box layers whose box coder has different standard deviations."""

from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor, nn

STDS = 'target_stds'
DEFAULT = [1.0] * 4  # of the coder, if the config does not set them


def rescale_boxes(
    model: nn.Module, checkpoint_cfg: dict | None, weights: dict[str, Tensor]
) -> dict[str, str]:
    """Rescale the box layers of a checkpoint so that the model decodes the same boxes.

    ``DeltaXYWHBBoxCoder`` multiplies the four numbers of an encoded box by ``target_stds``. Weights
    and biases are multiplied by the ratio of the two ``target_stds``.

    Args:
        model (nn.Module): A detector.
        checkpoint_cfg (dict | None): ``model`` of the config in the checkpoint, if it has one.
        weights (dict[str, Tensor]): Weights of the checkpoint. Box layers are replaced.

    Returns:
        dict[str, str]: A note for the log by the name of the box layer. Its subject is the
        checkpoint.
    """
    notes = {}
    for path, head in model.named_modules():
        coder = getattr(head, 'bbox_coder', None)
        if type(coder) is not DeltaXYWHBBoxCoder:
            continue
        stds = _find_stds(checkpoint_cfg, path)
        for layer in (f'{path}.{name}' for name in head._modules if name.endswith('_reg')):
            if stds is None:
                notes[layer] = f'does not record {STDS} of {path}; assuming {coder.stds}'
            elif list(stds) != list(coder.stds):
                notes[layer] = f'has {STDS} {stds}, the model {coder.stds}: rescaled {layer}'
                for key in (f'{layer}.weight', f'{layer}.bias'):
                    if key in weights and len(weights[key]) % 4 == 0:
                        weights[key] = _rescale(weights[key], stds, coder.stds)
    return notes


def _find_stds(cfg: object, path: str) -> list[float] | None:
    """``target_stds`` of the head at a path of a config, or None if the config lacks the head."""
    for name in (*path.split('.'), 'bbox_coder'):
        if isinstance(cfg, list) and name.isdecimal():  # a stage of a cascade
            cfg = dict(enumerate(cfg)).get(int(name))
        else:
            cfg = cfg.get(name) if isinstance(cfg, dict) else None
    if not isinstance(cfg, dict):
        return None
    stds = cfg.get(STDS, DEFAULT)
    numbers = isinstance(stds, list) and all(isinstance(x, int | float) for x in stds)
    return stds if numbers and len(stds) == 4 else None


def _rescale(outputs: Tensor, stds: list[float], model_stds: list[float]) -> Tensor:
    ratio = outputs.new_tensor(stds) / outputs.new_tensor(model_stds)
    # Outputs are ordered by anchor or class, then by the four numbers of a box.
    rows = outputs.reshape(-1, 4, outputs[0].numel())
    return (rows * ratio[:, None]).reshape(outputs.shape)
