"""Means over the classes: the numbers of AP and LRP by which detectors are compared."""

import numpy as np

from .curve import OptimalLRP, mean_over_classes

SIZES = dict(_s=1, _m=2, _l=3)  # and the place of each range of areas
AP_COLUMNS = ['AP', 'AP50', 'AP75', *(f'AP{size}' for size in SIZES)]
LRP_COMPONENTS = ['oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn']
LRP_COLUMNS = [*LRP_COMPONENTS, *(f'oLRP{size}' for size in SIZES)]


def average_precisions(precision: np.ndarray, thresholds: np.ndarray) -> dict[str, float]:
    """The six of COCO.

    Args:
        precision (np.ndarray): Shape (T, R, ..., A), float64, as in ``Evaluation`` or part of it.
        thresholds (np.ndarray): Shape (T,), float64, the IoUs.

    Returns:
        dict[str, float]: By the names of ``AP_COLUMNS``, -1 where undefined.
    """
    parts = [precision[..., 0]]
    parts += [precision[thresholds == threshold][..., 0] for threshold in (0.5, 0.75)]
    parts += [precision[..., area] for area in SIZES.values()]
    return {name: mean_over_classes(part.ravel()) for name, part in zip(AP_COLUMNS, parts)}


def lrp_means(lrp: OptimalLRP) -> dict[str, float]:
    """The seven of LRP, from arrays of shape (K, A).

    Args:
        lrp (OptimalLRP): At one limit on detections.

    Returns:
        dict[str, float]: By the names of ``LRP_COLUMNS``, -1 where undefined.
    """
    values = (*(v[:, 0] for v in lrp[:4]), *lrp.olrp[:, 1:].T)
    return dict(zip(LRP_COLUMNS, map(mean_over_classes, values)))


def defined(value: float) -> float:
    """NaN in place of -1, by which COCO says that a number is undefined."""
    return float('nan') if value == -1 else float(value)
