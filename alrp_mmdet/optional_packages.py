"""Packages that parts of a config need, checked before anything is built or written."""

from importlib.util import find_spec

from mmengine.config import Config

from .config.file import ConfigError
from .config.types import type_name, typed_nodes

PARTS = ('dataloader', 'evaluator')  # of a split in a config
# Type: what to install, and the modules of which one must be there.
NEEDS = dict(
    AimVisBackend=('aim', 'aim'),
    ClearMLVisBackend=('clearml', 'clearml'),
    DVCLiveVisBackend=('dvclive', 'dvclive'),
    MLflowVisBackend=('mlflow', 'mlflow'),
    NeptuneVisBackend=('neptune', 'neptune'),
    TensorboardVisBackend=('tensorboard', 'tensorboard', 'tensorboardX'),
    WandbVisBackend=('wandb', 'wandb'),
    Albu=('albumentations', 'albumentations'),
    LVISV05Dataset=('lvis', 'lvis'),
    LVISV1Dataset=('lvis', 'lvis'),
    LVISMetric=('lvis', 'lvis'),
)
NEEDS_IN_TRAINING = dict(
    ALRPPAAHead=('scikit-learn', 'sklearn'),
    PAAHead=('scikit-learn', 'sklearn'),
)


def check_packages(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check that the packages for a run of these splits are installed.

    Raises:
        ConfigError: If some are not. Lists all, and what needs them.
    """
    used = ['visualizer', *(f'{split}_{part}' for split in splits for part in PARTS)]
    needs = dict(NEEDS)
    if 'train' in splits:
        used.append('model')
        needs.update(NEEDS_IN_TRAINING)
    problems = {}
    for node in typed_nodes([cfg.get(key) for key in used]):
        name = type_name(node)
        package, *modules = needs.get(name, (None,))
        if package is not None and not any(map(find_spec, modules)):
            problems[name] = f'{name} needs the package {package}: pip install {package}'
    if problems:
        raise ConfigError('; '.join(problems.values()))
