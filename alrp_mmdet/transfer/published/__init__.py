"""Convert checkpoints of the published code of aLRP Loss, RS Loss and bucketed ranking.

That code is three forks of MMDetection 2 (2.0 for aLRP Loss, 2.25 for bucketed ranking). Their
checkpoints are dicts with ``state_dict``, often ``optimizer``, and ``meta``, which has
``mmdet_version``, ``CLASSES``, ``epoch``, ``iter`` and, as ``config``, the text of the config.
Weights have the names of MMDetection 2:

- RetinaNet: ``retina_cls`` and ``retina_reg``.
- ATSS: these or ``atss_cls`` and ``atss_reg``. With RS Loss, towers with GN (``gn``, convolutions
  without bias) and ``scales``, and no centerness.
- PAA: all names of ATSS, and no IoU branch.
- FoveaBox: ``fovea_cls`` and ``fovea_reg``, which are ``conv_cls`` and ``conv_reg`` in
  MMDetection 3.
- Faster R-CNN: ``rpn_head`` and ``roi_head.bbox_head``, whose ``fc_cls`` has no output for the
  background. Cascade R-CNN: ``roi_head.bbox_head.0`` to ``.2``, with four outputs of ``fc_reg``.
- Mask R-CNN: Faster R-CNN and ``roi_head.mask_head``, MMDetection's FCN mask head.
- YOLACT: ``head_convs``, ``conv_cls``, ``conv_reg`` and ``conv_coeff``, and ``mask_head.protonet``.
  No output for the background, and no segmentation branch.

Labels start at 0, as here. In MMDetection 1 they started at 1. The layouts follow from the
published class definitions. No published checkpoint was available for a test.
"""

from .conversion import convert_published
from .layouts import identify_detector, published_config

__all__ = ['convert_published', 'identify_detector', 'published_config']
