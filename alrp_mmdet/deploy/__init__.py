"""Detectors on pictures and videos that no data set lists, and detectors without MMDetection."""

from .detector import Detector
from .export import describe, to_onnx, to_torchscript
from .inputs import InputError
from .raw_detector import ExportError, RawDetector

__all__ = [
    'Detector',
    'ExportError',
    'InputError',
    'RawDetector',
    'describe',
    'to_onnx',
    'to_torchscript',
]
