from .checkpoint import CheckpointError, latest_checkpoint
from .hooks import AtomicCheckpointHook, EpochSeedHook, LRPThresholdsHook
from .thresholds import ThresholdsError, apply_thresholds, read_thresholds

__all__ = [
    'AtomicCheckpointHook',
    'CheckpointError',
    'EpochSeedHook',
    'LRPThresholdsHook',
    'ThresholdsError',
    'apply_thresholds',
    'latest_checkpoint',
    'read_thresholds',
]
