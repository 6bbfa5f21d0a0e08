"""Whether a checkpoint is one of a model.

MMEngine loads what fits and only logs what does not: the rest of the model stays as it was made, at
random, and its predictions look like any other.
"""

from torch import nn

from ..datasets.annotation_file import few
from .checkpoint import CheckpointError

# No prediction depends on these: a counter, and the state that aLRP Loss keeps while it trains.
WITHOUT_EFFECT = ('num_batches_tracked', 'self_balance.')


def check_fit(model: nn.Module, checkpoint: dict, name: str) -> None:
    """See to it that a checkpoint has every weight from which a model predicts.

    What else a checkpoint has, such as the auxiliary head of another config, does not matter.

    Args:
        model (nn.Module): The model.
        checkpoint (dict): What ``CheckpointLoader`` gave: a state dict, or a dict with one under
            ``state_dict``. A prefix ``module.`` is no part of a name.
        name (str): How messages call it.

    Raises:
        CheckpointError: If there is no state dict, or if weights are missing or of another shape.
    """
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not any(hasattr(v, 'shape') for v in weights.values()):
        raise CheckpointError(f'{name} is not a checkpoint of a model: it holds no weights')
    shapes = {
        key.removeprefix('module.'): tuple(value.shape)
        for key, value in weights.items()
        if hasattr(value, 'shape')
    }
    missing, reshaped = [], []
    for key, value in model.state_dict().items():
        if any(part in key for part in WITHOUT_EFFECT):
            continue
        if key not in shapes:
            missing.append(key)
        elif shapes[key] != tuple(value.shape):
            reshaped.append(f'{key} {shapes[key]} instead of {tuple(value.shape)}')
    problems = []
    if missing:
        problems.append(f'it lacks {few(missing)}')
    if reshaped:
        problems.append(f'of another shape are {few(reshaped)}')
    if problems:
        raise CheckpointError(
            f'{name} is not a checkpoint of the model in this config: {"; ".join(problems)}. '
            'Give the config that it was trained with'
        )
