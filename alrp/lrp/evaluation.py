"""AP and LRP of a detector: what ``evaluate_lrp`` returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .calibration.errors import CalibrationErrors
from .counting import scores_and_ious
from .curve import LRPCurve, OptimalLRP, lrp_curve
from .inputs import GroundTruth
from .matches import Matches
from .resampling import ResampledEvaluation
from .summary import per_class
from .tasks import Task
from .types import FloatArray, IntArray


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

    def values(self) -> dict[str, float]:
        """The numbers of the summary, by name."""
        return self.summary

    def has_ground_truth_of(self, other: object) -> bool:
        """Whether another evaluation is of the same objects by the same rules."""
        return (
            isinstance(other, Evaluation)
            and self.category_ids == other.category_ids
            and str(self.task) == str(other.task)
            and self.task.sigmas == other.task.sigmas
            and self.max_dets == other.max_dets
            and list(self.truth.images) == list(other.truth.images)
            and np.array_equal(self.matches.num_objects, other.matches.num_objects)
            and np.array_equal(self.iou_thresholds, other.iou_thresholds)
        )

    def resampler(self) -> Callable[[IntArray], dict[str, float]]:
        """A function that gives the values if image i occurs ``times[i]`` times."""
        return ResampledEvaluation(self).summary

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
