"""PQ and LRP of panoptic segmentation in COCO format: a JSON file and a folder of PNGs."""

from .evaluate import PanopticEvaluation, evaluate_panoptic_lrp

__all__ = ['PanopticEvaluation', 'evaluate_panoptic_lrp']
