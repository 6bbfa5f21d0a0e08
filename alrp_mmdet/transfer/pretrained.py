"""Checks pretrained weights before a training starts."""

from pathlib import Path

from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.runner import CheckpointLoader

from ..config.file import ConfigError
from ..config.nodes import dicts
from ..errors import rank
from .safe_loading import CheckpointError

LOCAL_OR_WEB = ('', 'http', 'https')  # MMEngine knows more schemes, such as torchvision://


def check_pretrained(cfg: Config) -> None:
    """Check that the weights in every ``init_cfg`` of a model can be loaded.

    Weights on the web are downloaded, into the cache that the training reads.

    Raises:
        ConfigError: If they cannot. Names the setting and how to use a file instead.
    """
    if rank() > 0:  # one download for all processes
        return
    for place, node in dicts(cfg.model, 'model'):
        checkpoint = node.get('checkpoint') if node.get('type') == 'Pretrained' else None
        if not isinstance(checkpoint, str) or checkpoint.rpartition('://')[0] not in LOCAL_OR_WEB:
            continue
        try:
            CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
        except CheckpointError as error:
            raise ConfigError(f'{error}: --cfg-options {place}.checkpoint=FILE') from error


def check_backbone_weights(model: ConfigDict, weights: str | Path) -> None:
    """Check that weights fit the backbone of a model.

    Args:
        model (ConfigDict): Config of the detector.
        weights (str | Path): File with a state dict of the backbone, or a checkpoint with one.

    Raises:
        CheckpointError: If the file cannot be loaded or some layers have no weights of their
            shape. Names the first.
    """
    checkpoint = CheckpointLoader.load_checkpoint(str(weights), map_location='cpu')
    found = checkpoint.get('state_dict', checkpoint)
    backbone = MODELS.build({**model.backbone, 'init_cfg': None, '_scope_': 'mmdet'})
    wanted = {
        name: tuple(value.shape)
        for name, value in backbone.state_dict().items()
        if not name.endswith('num_batches_tracked')  # older files do not have it
    }
    shapes = {name: tuple(value.shape) for name, value in found.items() if hasattr(value, 'shape')}
    bad = [name for name, shape in wanted.items() if shapes.get(name) != shape]
    if bad:
        first, shape = bad[0], shapes.get(bad[0])
        problem = 'is missing in the file' if shape is None else f'has the shape {shape}'
        raise CheckpointError(
            f'{weights} does not fit {model.backbone.type}: {first} should have the shape '
            f'{wanted[first]}, but {problem} ({len(bad)} of {len(wanted)} tensors are missing or '
            'have another shape). Use a state dict with the names of the backbone in MMDetection'
        )
