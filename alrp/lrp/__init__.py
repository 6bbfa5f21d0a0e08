"""AP and LRP of detections in COCO or LVIS format, from files or their content.

Two lines in a notebook::

    evaluation = evaluate_lrp('instances_val2017.json', 'results.bbox.json')
    evaluation.summary

``LRPMetric`` takes detections image by image instead. Boxes, masks and keypoints. Needs NumPy only,
and pycocotools for masks.
"""

from .bootstrap import Difference, compare
from .curve import LRPCurve, LRPError, OptimalLRP, lrp_curve, lrp_error, mean_over_classes
from .errors import Errors, find_errors
from .evaluate import evaluate_lrp
from .evaluation import Evaluation
from .panoptic import PanopticEvaluation, evaluate_panoptic_lrp
from .streaming import LRPMetric

__all__ = [
    'Difference',
    'Errors',
    'Evaluation',
    'LRPCurve',
    'LRPError',
    'LRPMetric',
    'OptimalLRP',
    'PanopticEvaluation',
    'compare',
    'evaluate_lrp',
    'evaluate_panoptic_lrp',
    'find_errors',
    'lrp_curve',
    'lrp_error',
    'mean_over_classes',
]
