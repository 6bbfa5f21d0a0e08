"""Run detectors on images and videos, and export them for use without MMDetection."""

from .detector import Detector
from .export import export_metadata, to_onnx, to_torchscript
from .inputs import InputError
from .raw_detector import ExportError, RawDetector

__all__ = [
    'Detector',
    'ExportError',
    'InputError',
    'RawDetector',
    'export_metadata',
    'to_onnx',
    'to_torchscript',
]
