"""Ranking-based losses and the LRP metric, independent of any detection framework.

``alrp.ranking`` needs torch only. ``alrp.lrp`` needs NumPy only, and pycocotools for masks.
``alrp.coco`` needs neither. Nothing in this package imports MMDetection, MMEngine or MMCV; the
plugin ``alrp_mmdet`` builds on this package and registers with them.
"""

from .version import __version__

__all__ = ['__version__']
