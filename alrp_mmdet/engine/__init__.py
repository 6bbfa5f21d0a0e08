from .checkpoint import CheckpointError, latest_checkpoint
from .hooks import AtomicCheckpointHook, EpochSeedHook

__all__ = [
    'AtomicCheckpointHook',
    'CheckpointError',
    'EpochSeedHook',
    'latest_checkpoint',
]
