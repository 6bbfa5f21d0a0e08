"""Convert checkpoints of the published code of aLRP Loss and AP Loss.

That code is a fork of MMDetection 2.0 (2020). Its checkpoints are dicts with ``state_dict``, often
``optimizer``, and ``meta``, which has ``mmdet_version``, ``CLASSES``, ``epoch``, ``iter`` and, as
``config``, the text of the config. Weights have the names of MMDetection 2.0: ``retina_cls`` and
``retina_reg`` of RetinaNet (ATSS uses these or its own names), ``fovea_cls`` and ``fovea_reg`` of
FoveaBox (``conv_cls`` and ``conv_reg`` in MMDetection 3), and for Faster R-CNN ``rpn_head`` and
``roi_head.bbox_head``, whose ``fc_cls`` has no output for the background. Labels start at 0, as
here. In MMDetection 1 they started at 1.

The layouts follow from that structure. No published checkpoint was available for a test.
"""

from .conversion import convert_published
from .layouts import identify_detector, published_config

__all__ = ['convert_published', 'identify_detector', 'published_config']
