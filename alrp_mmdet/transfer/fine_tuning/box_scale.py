"""Box layers of heads whose coder scales boxes otherwise, made to predict the same boxes."""

from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor, nn

STDS = 'target_stds'
DEFAULT = [1.0] * 4  # of the coder, if the config does not name them


def rescale_boxes(
    model: nn.Module, trained: dict | None, weights: dict[str, Tensor]
) -> dict[str, str]:
    """Rescale the box layers of a checkpoint whose coder has other standard deviations.

    ``DeltaXYWHBBoxCoder`` multiplies each of the four numbers that encode a box by one of its
    ``target_stds``. Here, weights and biases take up the ratio of the two.

    Args:
        model (nn.Module): A detector.
        trained (dict | None): ``model`` of the config of the checkpoint, if it has one.
        weights (dict[str, Tensor]): Weights of the checkpoint. Box layers are replaced.

    Returns:
        dict[str, str]: What is to be told of a box layer, by its name.
    """
    notes = {}
    for path, head in model.named_modules():
        coder = getattr(head, 'bbox_coder', None)
        if type(coder) is not DeltaXYWHBBoxCoder:
            continue
        stds = _stds_of(trained, path)
        for layer in (f'{path}.{name}' for name in head._modules if name.endswith('_reg')):
            if stds is None:
                notes[layer] = f'does not tell the {STDS} of {path}, taken to be {coder.stds}'
            elif list(stds) != list(coder.stds):
                notes[layer] = f'has {STDS} {stds}, here {coder.stds}: {layer} was rescaled'
                for key in (f'{layer}.weight', f'{layer}.bias'):
                    if key in weights and len(weights[key]) % 4 == 0:
                        weights[key] = _rescaled(weights[key], stds, coder.stds)
    return notes


def _stds_of(trained: object, path: str) -> list[float] | None:
    """Standard deviations of the head at a path of a config; None if it does not tell."""
    for name in (*path.split('.'), 'bbox_coder'):
        if isinstance(trained, list) and name.isdecimal():  # a stage of a cascade
            trained = dict(enumerate(trained)).get(int(name))
        else:
            trained = trained.get(name) if isinstance(trained, dict) else None
    if not isinstance(trained, dict):
        return None
    stds = trained.get(STDS, DEFAULT)
    numbers = isinstance(stds, list) and all(isinstance(x, int | float) for x in stds)
    return stds if numbers and len(stds) == 4 else None


def _rescaled(outputs: Tensor, stds: list[float], stds_here: list[float]) -> Tensor:
    ratio = outputs.new_tensor(stds) / outputs.new_tensor(stds_here)
    # Outputs stand by anchors or classes, in each by the four numbers.
    rows = outputs.reshape(-1, 4, outputs[0].numel())
    return (rows * ratio[:, None]).reshape(outputs.shape)
