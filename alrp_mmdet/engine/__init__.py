from .checkpoint import latest_checkpoint, load_checkpoint_file
from .hooks import AtomicCheckpointHook, EpochSeedHook

__all__ = [
    'AtomicCheckpointHook',
    'EpochSeedHook',
    'latest_checkpoint',
    'load_checkpoint_file',
]
