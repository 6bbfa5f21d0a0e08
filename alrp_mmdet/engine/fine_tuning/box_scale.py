"""Box layers of a head whose coder scales boxes otherwise, made to predict the same boxes."""

from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor, nn

SETTING = '.bbox_coder.target_stds'


def rescale_boxes(
    model: nn.Module, setting: str, trained: object, weights: dict[str, Tensor]
) -> list[str]:
    """Rescale the box layers of a checkpoint that was trained with other standard deviations.

    ``DeltaXYWHBBoxCoder`` multiplies each of the four numbers that encode a box by one of them.
    Here, weights and biases take up their ratio.

    Args:
        model (nn.Module): A detector.
        setting (str): A setting of its config, of which only ``target_stds`` matter, as in
            ``rpn_head.bbox_coder.target_stds``.
        trained (object): Its value in the config of the checkpoint.
        weights (dict[str, Tensor]): Weights of the checkpoint. Box layers are replaced.

    Returns:
        list[str]: Names of the layers that were rescaled.
    """
    path = setting.removesuffix(SETTING)
    head = dict(model.named_modules()).get(path)
    coder = getattr(head, 'bbox_coder', None)
    if path == setting or type(coder) is not DeltaXYWHBBoxCoder or not _are_four(trained):
        return []
    layers = []
    for layer in (f'{path}.{child}' for child in head._modules if child.endswith('_reg')):
        for key in (f'{layer}.weight', f'{layer}.bias'):
            given = weights.get(key)
            if given is not None and len(given) % 4 == 0:
                ratio = given.new_tensor(trained) / given.new_tensor(coder.stds)
                # Outputs stand by anchors or classes, in each by the four numbers.
                rows = given.reshape(-1, 4, given[0].numel())
                weights[key] = (rows * ratio[:, None]).reshape(given.shape)
                layers.append(layer)
    return list(dict.fromkeys(layers))


def _are_four(stds: object) -> bool:
    numbers = isinstance(stds, list | tuple) and all(isinstance(x, int | float) for x in stds)
    return numbers and len(stds) == 4
