from .checkpoint import CheckpointError, latest_checkpoint
from .hooks import AtomicCheckpointHook, EpochSeedHook, FineTuneHook, LRPThresholdsHook
from .thresholds import ThresholdsError, apply_thresholds, read_thresholds

__all__ = [
    'AtomicCheckpointHook',
    'CheckpointError',
    'EpochSeedHook',
    'FineTuneHook',
    'LRPThresholdsHook',
    'ThresholdsError',
    'apply_thresholds',
    'latest_checkpoint',
    'read_thresholds',
]
