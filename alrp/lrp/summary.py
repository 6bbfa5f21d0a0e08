"""Means over the classes: the AP and LRP values by which detectors are compared."""

from collections.abc import Iterator, Sequence

import numpy as np

from .curve import OptimalLRP, mean_over_classes
from .tasks import LRP_COMPONENTS, TASKS, Task
from .types import BoolArray, FloatArray

BOXES = TASKS['bbox', 'coco']
LRP_COLUMNS, SIZES = BOXES.lrp_columns, BOXES.sizes
AT_IOUS = {'50': 0.5, '75': 0.75}


def summarize(
    task: Task,
    thresholds: FloatArray,
    limits: list[int],
    precision: FloatArray,
    recall: FloatArray,
    lrp: OptimalLRP,
    groups: Sequence[str],
) -> dict[str, float]:
    """All values of a task, -1 where undefined.

    Args:
        task (Task): Says which values there are.
        thresholds (np.ndarray): Shape (T,), float64, the IoUs.
        limits (list[int]): M limits on detections, ascending.
        precision (np.ndarray): Shape (T, R, K, A, M), float64.
        recall (np.ndarray): Shape (T, K, A, M), float64.
        lrp (OptimalLRP): At the largest limit, arrays of shape (K, A).
        groups (Sequence[str]): The group of each of the K classes; empty without groups.

    Returns:
        dict[str, float]: Values by name.
    """
    ap_limit = limits.index(task.ap_limit) if task.ap_limit in limits else -1
    members = _members(task, groups)
    summary = average_precisions(precision[..., -1], thresholds, task)
    summary['AP'] = mean_over_classes(precision[..., 0, ap_limit].ravel())
    for group, mine in members.items():
        summary[f'AP{group}'] = mean_over_classes(precision[:, :, mine, 0, ap_limit].ravel())
    return summary | _recalls(task, thresholds, limits, recall) | _lrp_means(lrp, task, members)


def average_precisions(
    precision: FloatArray, thresholds: FloatArray, task: Task = BOXES
) -> dict[str, float]:
    """AP over all IoUs, at two of them, and by size.

    Args:
        precision (np.ndarray): Shape (T, R, ..., A), float64, all or part of that of an
            ``Evaluation``.
        thresholds (np.ndarray): Shape (T,), float64, the IoUs.
        task (Task): The task. Defaults to COCO's boxes.

    Returns:
        dict[str, float]: Values by the names in ``task.ap_columns``, -1 where undefined.
    """
    parts = [precision[..., 0]]
    parts += [precision[thresholds == threshold][..., 0] for threshold in AT_IOUS.values()]
    parts += [precision[..., area] for area in task.sizes.values()]
    return {name: mean_over_classes(part.ravel()) for name, part in zip(task.ap_columns, parts)}


def lrp_means(lrp: OptimalLRP, task: Task = BOXES) -> dict[str, float]:
    """oLRP, its components, and oLRP by size.

    Args:
        lrp (OptimalLRP): At one limit on detections, arrays of shape (K, A).
        task (Task): The task. Defaults to COCO's boxes.

    Returns:
        dict[str, float]: Values by the names in ``task.lrp_columns``, -1 where undefined.
    """
    values = (*(v[:, 0] for v in lrp[:4]), *lrp.olrp[:, 1:].T)
    return dict(zip(task.lrp_columns, map(mean_over_classes, values)))


def per_class(values: FloatArray) -> FloatArray:
    """AP or AR of each class and range: the mean over all axes but the last two.

    -1, which stands for a class without objects, stays -1.
    """
    mean: FloatArray = values.reshape(-1, *values.shape[-2:]).mean(axis=0)
    return mean


def defined(value: float) -> float:
    """Replace -1, COCO's mark of an undefined value, with NaN."""
    return float('nan') if value == -1 else float(value)


def _members(task: Task, groups: Sequence[str]) -> dict[str, BoolArray]:
    """Whether each class is in a group, by the group's suffix: shape (K,), bool."""
    return {f'_{group}': np.array(groups) == group for group in task.groups}


def _recalls(
    task: Task, thresholds: FloatArray, limits: list[int], recall: FloatArray
) -> dict[str, float]:
    mean = mean_over_classes
    if task.recalls == 'limits':
        values = {f'AR{limit}': mean(recall[..., 0, m].ravel()) for m, limit in enumerate(limits)}
    else:
        values = {'AR': mean(recall[..., 0, -1].ravel())}
        for name, threshold in AT_IOUS.items():
            values[f'AR{name}'] = mean(recall[thresholds == threshold][..., 0, -1].ravel())
    for size, a in task.sizes.items():
        name = task.recall_of_size.format(size=size, limit=limits[-1])
        values[name] = mean(recall[..., a, -1].ravel())
    return values


def _lrp_means(lrp: OptimalLRP, task: Task, members: dict[str, BoolArray]) -> dict[str, float]:
    values = lrp_means(lrp, task)
    parts = dict(_parts(lrp, task, members))
    for name, suffix in [(name, suffix) for name in LRP_COMPONENTS for suffix in parts]:
        values[name + suffix] = mean_over_classes(parts[suffix][LRP_COMPONENTS.index(name)])
    return values


def _parts(
    lrp: OptimalLRP, task: Task, members: dict[str, BoolArray]
) -> Iterator[tuple[str, list[FloatArray]]]:
    """The components in each range of areas and for each group of classes."""
    for suffix, area in task.sizes.items():
        yield suffix, [values[:, area] for values in lrp[:4]]
    for suffix, mine in members.items():
        yield suffix, [values[mine, 0] for values in lrp[:4]]
