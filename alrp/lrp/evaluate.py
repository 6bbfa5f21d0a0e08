"""Evaluates detections: from files, from their content, or from arrays that were checked."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..coco import describe_source
from .accumulation import accumulate
from .average_precision import IOU_THRESHOLDS
from .calibration.errors import calibration_errors
from .calibration.matched import match_arrays
from .checked import checked_limits, checked_thresholds
from .curve import TAU
from .evaluation import Evaluation
from .ground_truth import open_ground_truth
from .inputs import Detections, GroundTruth, Results, read_detections
from .matching import match
from .summary import summarize
from .tasks import Task
from .types import FloatArray

STEPS = 'reading the ground truth', 'reading the results', 'matching', 'counting'


def evaluate_lrp(
    ground_truth: str | os.PathLike[str] | dict[str, Any],
    results: Results,
    iou_type: str | None = 'bbox',
    max_dets: Sequence[int] | None = None,
    iou_thresholds: ArrayLike = IOU_THRESHOLDS,
    on_step: Callable[[str], object] = lambda step: None,
    *,
    rules: str | None = None,
    sigmas: Sequence[float] | None = None,
    calibration: bool = False,
) -> Evaluation:
    """Evaluate detections in COCO format: LRP, and AP with the values of pycocotools or lvis.

    Args:
        ground_truth (str | os.PathLike | dict): Path of a file of COCO-format annotations, its
            content, or pycocotools' ``COCO`` of it.
        results (str | os.PathLike | list[dict] | dict[str, ArrayLike]): Path of a file of
            COCO-format results, its content, the ``COCO`` that ``loadRes`` returns, or a dict of
            arrays with N values: ``image_id``, ``category_id``, ``score`` and ``bbox`` (N, 4), for
            example. Arrays of boxes and files of boxes take the least memory. Without detections,
            AP is 0 and LRP is 1.
        iou_type (str, optional): ``bbox``, ``segm`` or ``keypoints``. None takes what the results
            have: keypoints, else boxes, else masks.
        max_dets (Sequence[int], optional): Limits on the detections per image and category, or per
            image for LVIS. LRP, AP50, AP75 and the sizes are at the largest limit. AP of boxes and
            masks is at 100, as in pycocotools, or at the largest limit if 100 is not among them.
            Defaults to 1, 10 and 100; 20 for keypoints; 300 for LVIS.
        iou_thresholds (ArrayLike): IoUs in (0, 1] over which AP and AR are averaged. LRP always
            uses an IoU of 0.5.
        on_step (Callable[[str], object]): Called with each name in ``STEPS`` when the step starts,
            for a progress display.
        rules (str, optional): ``coco`` or ``lvis``. Defaults to LVIS's for a ground truth with the
            keys of LVIS, else COCO's.
        sigmas (Sequence[float], optional): Of each keypoint. Defaults to COCO's for 17 keypoints
            and CrowdPose's for 14.
        calibration (bool): Whether to add the calibration errors ``LaECE_0`` and ``LaACE_0`` to the
            summary. For boxes and masks with scores in [0, 1].

    Returns:
        Evaluation: Summary and per-category values.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a value is malformed, not finite, negative, duplicated or unknown.
    """
    thresholds = checked_thresholds(iou_thresholds)
    limits = checked_limits(max_dets)
    on_step(STEPS[0])
    truth, task = open_ground_truth(ground_truth, results, iou_type, rules, sigmas)
    return evaluate_results(results, truth, task, limits, thresholds, on_step, calibration)


def evaluate_results(
    results: Results,
    truth: GroundTruth,
    task: Task,
    limits: list[int],
    thresholds: FloatArray,
    on_step: Callable[[str], object] = lambda step: None,
    calibration: bool = False,
) -> Evaluation:
    """Evaluate results on a ground truth that was read already.

    Args:
        results (str | os.PathLike | list[dict] | dict[str, ArrayLike]): As in ``evaluate_lrp``.
        truth (GroundTruth): G objects.
        task (Task): The rules.
        limits (list[int]): Limits on detections, ascending. Empty for the defaults of the task.
        thresholds (np.ndarray): Shape (T,), float64, IoUs for AP.
        on_step (Callable[[str], object]): As in ``evaluate_lrp``.
        calibration (bool): As in ``evaluate_lrp``.

    Returns:
        Evaluation: Summary and per-category values.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If a value is malformed, not finite, negative or unknown.
    """
    on_step(STEPS[1])
    name = describe_source(results, 'the results')
    return evaluate_arrays(
        truth,
        read_detections(results, truth, task, name),  # no variable, so that it can be freed
        task,
        limits,
        thresholds,
        on_step,
        calibration,
        name,
    )


def evaluate_arrays(
    truth: GroundTruth,
    detections: Detections,
    task: Task,
    limits: list[int],
    thresholds: FloatArray,
    on_step: Callable[[str], object] = lambda step: None,
    calibration: bool = False,
    results_name: str = 'the results',
) -> Evaluation:
    """Evaluate ground truth and detections that were checked.

    Args:
        truth (GroundTruth): G objects.
        detections (Detections): N detections.
        task (Task): The rules.
        limits (list[int]): Limits on detections, ascending. Empty for the defaults of the task.
        thresholds (np.ndarray): Shape (T,), float64, IoUs for AP.
        on_step (Callable[[str], object]): As in ``evaluate_lrp``.
        calibration (bool): As in ``evaluate_lrp``.
        results_name (str): What to call the results in messages.

    Returns:
        Evaluation: Summary and per-category values.
    """
    *_, matching, counting = STEPS
    on_step(matching)
    limits = limits or sorted(task.max_dets)
    matches = match(detections, truth, np.append(TAU, thresholds), limits[-1], task)
    errors = None
    if calibration:
        errors = calibration_errors(match_arrays(detections, truth, task, limits[-1], results_name))
    del detections  # frees memory
    on_step(counting)
    precision, recall, lrp = accumulate(matches, limits, task)
    return Evaluation(
        summary=summarize(
            task, thresholds, limits, precision, recall, lrp[limits[-1]], truth.groups
        )
        | (errors.summary if errors else {}),
        task=task,
        category_ids=list(truth.categories),
        category_names=truth.names,
        labels=truth.labels,
        groups=truth.groups,
        num_images=len(truth.images),
        max_dets=limits,
        iou_thresholds=thresholds,
        precision=precision,
        recall=recall,
        lrp=lrp,
        matches=matches,
        truth=truth,
        calibration=errors,
    )
