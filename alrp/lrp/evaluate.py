"""AP and LRP of a detector from ground truth and results."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..coco import describe_source
from .accumulation import accumulate
from .average_precision import IOU_THRESHOLDS
from .calibration.errors import CalibrationErrors, calibration_errors
from .calibration.matched import match_arrays
from .checked import checked_limits, checked_thresholds
from .counting import scores_and_ious
from .curve import TAU, LRPCurve, OptimalLRP, lrp_curve
from .ground_truth import open_ground_truth
from .inputs import Detections, GroundTruth, read_detections
from .matches import Matches
from .matching import match
from .summary import per_class, summarize
from .tasks import Task
from .types import FloatArray

STEPS = 'reading the ground truth', 'reading the results', 'matching', 'counting'


@dataclass(frozen=True)
class Evaluation:
    """AP and LRP of a detector.

    K categories by ascending id, A ranges of areas, T IoU thresholds, R recalls, M limits on the
    detections. -1 means undefined, without an object. ``olrp``, ``olrp_loc``, ``olrp_fp``,
    ``olrp_fn`` and ``lrp_opt_thr`` are at the largest limit. For keypoints, IoU means OKS.

    Attributes:
        summary (dict[str, float]): The numbers of the task, means over the categories. For boxes
            and masks the 12 of COCO and 16 of LRP: ``AP``, ``AP50``, ``AP75``, ``AP_s``, ``AP_m``,
            ``AP_l``, ``AR1``, ``AR10``, ``AR100``, ``AR_s``, ``AR_m``, ``AR_l``, ``oLRP``,
            ``oLRP_loc``, ``oLRP_fp``, ``oLRP_fn``, ``oLRP_s``, ..., ``oLRP_loc_s``, ...,
            ``oLRP_fn_l``.
        task (Task): What was evaluated, and by which rules.
        category_ids (list): Ids of the categories.
        category_names (list[str]): Names of the categories.
        labels (list): The ids in the order of the file, which is the order of a detector's labels.
        groups (list[str]): For LVIS, the frequency of each category: ``r``, ``c`` or ``f``. Empty
            for COCO.
        num_images (int): Images, including those without objects.
        max_dets (list[int]): The limits, ascending.
        iou_thresholds (np.ndarray): Shape (T,), for AP.
        precision (np.ndarray): Shape (T, R, K, A, M), as in pycocotools.
        recall (np.ndarray): Shape (T, K, A, M), as in pycocotools.
        lrp (dict[int, OptimalLRP]): Arrays of shape (K, A) for each limit.
        matches (Matches): The match of every detection. The first threshold is the one of LRP.
        truth (GroundTruth): The objects.
        calibration (CalibrationErrors, optional): If it was asked for.
    """

    summary: dict[str, float]
    task: Task
    category_ids: list[Any]
    category_names: list[str]
    labels: list[Any]
    groups: list[str]
    num_images: int
    max_dets: list[int]
    iou_thresholds: FloatArray = field(repr=False)
    precision: FloatArray = field(repr=False)
    recall: FloatArray = field(repr=False)
    lrp: dict[int, OptimalLRP] = field(repr=False)
    matches: Matches = field(repr=False)
    truth: GroundTruth = field(repr=False)
    calibration: CalibrationErrors | None = field(default=None, repr=False)

    @property
    def iou_type(self) -> str:
        """``bbox``, ``segm`` or ``keypoints``."""
        return self.task.iou_type

    @property
    def areas(self) -> list[str]:
        """``all``, ``small``, ``medium``, ``large``, of which keypoints lack ``small``."""
        return list(self.task.areas)

    @property
    def olrp(self) -> FloatArray:
        """Optimal LRP. Shape (K, A)."""
        return self._at_largest_limit('olrp')

    @property
    def olrp_loc(self) -> FloatArray:
        """Localisation component of oLRP. Shape (K, A), NaN without true positives."""
        return self._at_largest_limit('olrp_loc')

    @property
    def olrp_fp(self) -> FloatArray:
        """False positive component of oLRP. Shape (K, A), NaN without true positives."""
        return self._at_largest_limit('olrp_fp')

    @property
    def olrp_fn(self) -> FloatArray:
        """False negative component of oLRP. Shape (K, A)."""
        return self._at_largest_limit('olrp_fn')

    @property
    def lrp_opt_thr(self) -> FloatArray:
        """LRP-optimal score threshold. Shape (K, A), NaN without true positives."""
        return self._at_largest_limit('lrp_opt_thr')

    def _at_largest_limit(self, name: str) -> FloatArray:
        values: FloatArray = getattr(self.lrp[self.max_dets[-1]], name)
        return values

    def curve(self, category_id: Any, area: str = 'all', max_dets: int | None = None) -> LRPCurve:
        """LRP error and components over the score threshold, for one category.

        Args:
            category_id (int | str): Its id.
            area (str): One of ``areas``.
            max_dets (int, optional): One of ``max_dets``. Defaults to the largest.

        Returns:
            LRPCurve: One point per detection that is not ignored.

        Raises:
            ValueError: If there is no such category, area or limit.
        """
        max_dets = self.max_dets[-1] if max_dets is None else max_dets
        known: dict[str, list[Any]] = dict(
            category_id=self.category_ids, area=self.areas, max_dets=self.max_dets
        )
        for name, value in dict(category_id=category_id, area=area, max_dets=max_dets).items():
            if value not in known[name]:
                raise ValueError(f'{name} must be one of {known[name]}, got {value!r}')
        k, a = self.category_ids.index(category_id), self.areas.index(area)
        scores, ious = scores_and_ious(self.matches, k, a, max_dets)
        return lrp_curve(scores, ious, int(self.matches.num_objects[k, a]))

    def to_dict(self) -> dict[str, Any]:
        """Summary and LRP by category, ready for JSON: NaN becomes None.

        The keys are ``summary``, ``category_ids``, ``areas`` and ``per_category``, in which
        ``olrp``, ``olrp_loc``, ``olrp_fp``, ``olrp_fn`` and ``lrp_opt_thr`` have a list of A values
        per category, at the largest limit. Keypoints and LVIS have ``ap`` and ``ar`` there, too,
        and ``iou_thrs``, ``max_dets`` (the largest limit), ``sigmas`` or ``frequency``.
        """
        per_category = self.lrp[self.max_dets[-1]]._asdict()
        settings: dict[str, Any] = {}
        if self.task.per_class_ap:
            per_category |= dict(
                ap=per_class(self.precision[..., -1]), ar=per_class(self.recall[..., -1])
            )
            settings = dict(iou_thrs=self.iou_thresholds.tolist(), max_dets=self.max_dets[-1])
            settings |= dict(sigmas=list(self.task.sigmas)) if self.task.sigmas else {}
            settings |= dict(frequency=list(self.groups)) if self.groups else {}
        return dict(
            summary=dict(self.summary),
            category_ids=list(self.category_ids),
            areas=self.areas,
            **settings,
            per_category={
                name: [[None if x != x else x for x in row] for row in values.tolist()]
                for name, values in per_category.items()
            },
        )


def evaluate_lrp(
    ground_truth: str | os.PathLike[str] | dict[str, Any],
    results: str | os.PathLike[str] | Sequence[dict[str, Any]] | Mapping[str, ArrayLike],
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
        ground_truth (str | os.PathLike | dict): Path of a file of COCO-format annotations, or its
            content.
        results (str | os.PathLike | list[dict] | dict[str, ArrayLike]): Path of a file of
            COCO-format results, its content, or a dict of arrays with N values: ``image_id``,
            ``category_id``, ``score`` and ``bbox`` (N, 4), for example. Arrays of boxes and files
            of boxes take the least memory. Without detections, AP is 0 and LRP is 1.
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
    read_truth, read_results, *_ = STEPS
    on_step(read_truth)
    truth, task = open_ground_truth(ground_truth, results, iou_type, rules, sigmas)
    on_step(read_results)
    results_name = describe_source(results, 'the results')
    return evaluate_arrays(
        truth,
        read_detections(results, truth, task, results_name),
        task,
        limits,
        thresholds,
        on_step,
        calibration,
        results_name,
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
