"""Checkpoints of the published code of aLRP Loss and AP Loss, for the models of this project.

That code is a fork of MMDetection 2.0 (2020). Its checkpoints are dicts with ``state_dict``, often
``optimizer``, and ``meta``: ``mmdet_version``, ``CLASSES``, ``epoch``, ``iter``, and the text of
the config as ``config``. Names of weights are those of MMDetection 2.0: RetinaNet's tower with
``retina_cls`` and ``retina_reg`` or ATSS's names for the same layers, ``fovea_cls`` and
``fovea_reg`` of FoveaBox (``conv_cls`` and ``conv_reg`` in MMDetection 3), ``rpn_head`` and
``roi_head.bbox_head`` of Faster R-CNN, whose ``fc_cls`` has no output for the background. Labels
count from zero, as here; in MMDetection 1 they counted from one.

The layouts are taken from that structure, not from files: none could be looked at.
"""

from .conversion import convert_published
from .layouts import detector_in, published_config

__all__ = ['convert_published', 'detector_in', 'published_config']
