from .coco_lrp_metric import CocoLRPMetric
from .coco_panoptic_lrp_metric import CocoPanopticLRPMetric

__all__ = ['CocoLRPMetric', 'CocoPanopticLRPMetric']
