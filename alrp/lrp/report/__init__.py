"""An evaluation as one HTML file that works offline: tables, curves, a second detector."""

from .page import make_report
from .panoptic import make_panoptic_report

__all__ = ['make_panoptic_report', 'make_report']
