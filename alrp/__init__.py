"""Ranking-based losses and the LRP metric, independent of any detection framework.

``alrp.ranking`` needs torch alone, ``alrp.lrp`` NumPy alone (and pycocotools for masks). Nothing in
this package imports MMDetection, MMEngine or MMCV; ``alrp_mmdet`` builds on it and registers with
them.
"""

from .version import __version__

__all__ = ['__version__']
