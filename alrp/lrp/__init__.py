"""AP and LRP of detections in COCO format, in plain NumPy, from files or from what is in them.

Two lines in a notebook::

    evaluation = evaluate_lrp('instances_val2017.json', 'results.bbox.json')
    evaluation.summary

Nothing here knows about MMDetection or torch; masks need pycocotools.
"""

from .curve import LRPCurve, LRPError, OptimalLRP, lrp_curve, lrp_error, mean_over_classes
from .evaluate import Evaluation, evaluate_lrp

__all__ = [
    'Evaluation',
    'LRPCurve',
    'LRPError',
    'OptimalLRP',
    'evaluate_lrp',
    'lrp_curve',
    'lrp_error',
    'mean_over_classes',
]
