from .atomic_checkpoint_hook import AtomicCheckpointHook
from .calibration_hook import CalibrationHook
from .epoch_seed_hook import EpochSeedHook
from .fine_tune_hook import FineTuneHook
from .image_error_hook import ImageErrorHook
from .lrp_thresholds_hook import LRPThresholdsHook
from .micro_batch_hook import MicroBatchHook
from .resume_hook import ResumeHook

__all__ = [
    'AtomicCheckpointHook',
    'CalibrationHook',
    'EpochSeedHook',
    'FineTuneHook',
    'ImageErrorHook',
    'LRPThresholdsHook',
    'MicroBatchHook',
    'ResumeHook',
]
