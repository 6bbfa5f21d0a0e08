"""Convert checkpoints of the published code of aLRP Loss and AP Loss.

That code is a fork of MMDetection 2.0 (2020). Its checkpoints are dicts with ``state_dict``, often
``optimizer``, and ``meta``, which has ``mmdet_version``, ``CLASSES``, ``epoch``, ``iter`` and, as
``config``, the text of the config. MMDetection 3 kept the names of weights: RetinaNet's
``retina_cls`` and ``retina_reg`` (ATSS uses these or its own names), FoveaBox's ``conv_cls`` and
``conv_reg`` or ``fovea_cls`` and ``fovea_reg``, and for Faster R-CNN ``rpn_head`` and
``roi_head.bbox_head``, whose ``fc_cls`` has no output for the background. Labels start at 0, as
here. In MMDetection 1 they started at 1.

The layouts follow from that structure. No published checkpoint was available for a test.
"""

from .conversion import convert_published
from .layouts import identify_detector, published_config

__all__ = ['convert_published', 'identify_detector', 'published_config']
