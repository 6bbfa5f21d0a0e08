"""Which classes and functions take the settings at each place of a config."""

from collections.abc import Callable

from mmcv.cnn.bricks.norm import build_norm_layer
from mmengine.model import MMDistributedDataParallel, weight_init
from mmengine.optim import OptimWrapper, _ParamScheduler, build_optim_wrapper
from mmengine.registry import Registry, build_scheduler_from_cfg
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
)
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from mmengine.visualization import Visualizer
from torch.nn import GroupNorm, LayerNorm
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.data import DataLoader

from .signatures import Settings, keys_read, settings_of
from .types import REGISTRIES

SPLITS = ('train', 'val', 'test')
LOADERS = tuple(f'{split}_dataloader' for split in SPLITS)
HOOKS = ('default_hooks.', 'custom_hooks.')
OF_REGISTRY = frozenset({'type', '_scope_'})

# What the settings at a place are for, if they have no type.
DEFAULTS: dict[str, Callable] = {
    **dict.fromkeys(LOADERS, DataLoader),
    'optim_wrapper': OptimWrapper,
    'val_cfg': ValLoop,
    'test_cfg': TestLoop,
    'visualizer': Visualizer,
    'log_processor': LogProcessor,
    'model_wrapper_cfg': MMDistributedDataParallel,
    'randomness': Runner.set_randomness,
    'env_cfg.mp_cfg': set_multi_processing,
    'custom_imports': import_modules_from_strings,
}
# Functions that read further settings, and what they call the dict: by place in the config, ...
READERS: dict[str, tuple[Callable, str]] = {
    **dict.fromkeys(LOADERS, (Runner.build_dataloader, 'dataloader_cfg')),
    'optim_wrapper': (build_optim_wrapper, 'optim_wrapper_cfg'),
    'train_cfg': (Runner.build_train_loop, 'loop_cfg'),
    'env_cfg': (Runner.setup_env, 'env_cfg'),
    'auto_scale_lr': (Runner.scale_lr, 'auto_scale_lr'),
}
# ... by the last key anywhere in it, ...
READERS_OF_KEYS = {
    'init_cfg': (weight_init.initialize, 'cp_cfg'),
    'override': (weight_init._initialize_override, 'cp_override'),
}
# ... and by the class of an object.
OF_HOOKS = (Runner.register_hook, 'hook')
READERS_OF_TYPES: dict[type, tuple[Callable, str]] = {
    _ParamScheduler: (build_scheduler_from_cfg, 'args'),
    **dict.fromkeys((_NormBase, GroupNorm, LayerNorm), (build_norm_layer, 'cfg_')),
}


def kinds_of(node: dict, place: str) -> list[type | Callable]:
    """The classes or functions that the settings at a place may be for.

    Args:
        node (dict): The settings.
        place (str): Keys from the top of the config, joined by dots, as in ``--cfg-options``.

    Returns:
        list[type | Callable]: More than one if several registries know the type. Empty if none
            does, or if MMEngine does not read the settings.
    """
    kind = node.get('type')
    if isinstance(kind, str):
        found = dict.fromkeys(_registered(where, kind) for where in REGISTRIES)
        return [known for known in found if known is not None]
    if kind is not None:
        return [kind] if callable(kind) else []
    if place == 'train_cfg':
        loops = EpochBasedTrainLoop, IterBasedTrainLoop
        return [loops[not node['by_epoch']]] if 'by_epoch' in node else [*loops]
    return [DEFAULTS[place]] if place in DEFAULTS else []


def _registered(where: Registry, name: str) -> type | Callable | None:
    """Like ``where.get``, but does not try to import a module of this name."""
    if '.' in name:
        return where.get(name)
    where.import_from_location()
    known = where.module_dict.get(name)
    return _registered(where.parent, name) if known is None and where.parent else known


def taken_at(place: str, kinds: list[type | Callable]) -> Settings:
    """The settings that may be at a place, for objects of one of these classes."""
    known = Settings(OF_REGISTRY)
    for kind in kinds:
        known |= settings_of(kind)
    last = next((key for key in reversed(place.split('.')) if not key.isdigit()), '')
    readers = [
        *(reader for key, reader in READERS_OF_KEYS.items() if last.endswith(key)),
        *(reader for base, reader in READERS_OF_TYPES.items() if _is_one_of(kinds, base)),
        *(reader for key, reader in READERS.items() if key == place),
        *([OF_HOOKS] if place.startswith(HOOKS) else []),
    ]
    for function, name in readers:
        known |= keys_read(function, name)
    return known


def _is_one_of(kinds: list[type | Callable], base: type) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, base) for kind in kinds)
