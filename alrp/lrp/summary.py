"""Means over the classes: the AP and LRP values by which detectors are compared."""

from .curve import OptimalLRP, mean_over_classes
from .types import FloatArray

SIZES = dict(_s=1, _m=2, _l=3)  # suffix, and position of the range of areas
AP_COLUMNS = ['AP', 'AP50', 'AP75', *(f'AP{size}' for size in SIZES)]
LRP_COMPONENTS = ['oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn']
LRP_COLUMNS = [*LRP_COMPONENTS, *(f'oLRP{size}' for size in SIZES)]


def average_precisions(precision: FloatArray, thresholds: FloatArray) -> dict[str, float]:
    """COCO's six values of AP.

    Args:
        precision (np.ndarray): Shape (T, R, ..., A), float64, all or part of that of an
            ``Evaluation``.
        thresholds (np.ndarray): Shape (T,), float64, the IoUs.

    Returns:
        dict[str, float]: Values by the names in ``AP_COLUMNS``, -1 where undefined.
    """
    parts = [precision[..., 0]]
    parts += [precision[thresholds == threshold][..., 0] for threshold in (0.5, 0.75)]
    parts += [precision[..., area] for area in SIZES.values()]
    return {name: mean_over_classes(part.ravel()) for name, part in zip(AP_COLUMNS, parts)}


def lrp_means(lrp: OptimalLRP) -> dict[str, float]:
    """The seven values of LRP.

    Args:
        lrp (OptimalLRP): At one limit on detections, arrays of shape (K, A).

    Returns:
        dict[str, float]: Values by the names in ``LRP_COLUMNS``, -1 where undefined.
    """
    values = (*(v[:, 0] for v in lrp[:4]), *lrp.olrp[:, 1:].T)
    return dict(zip(LRP_COLUMNS, map(mean_over_classes, values)))


def defined(value: float) -> float:
    """Replace -1, COCO's mark of an undefined value, with NaN."""
    return float('nan') if value == -1 else float(value)
