from .coco_lrp_metric import CocoLRPMetric
from .coco_panoptic_lrp_metric import CocoPanopticLRPMetric
from .lvis_lrp_metric import LVISLRPMetric

__all__ = ['CocoLRPMetric', 'CocoPanopticLRPMetric', 'LVISLRPMetric']
