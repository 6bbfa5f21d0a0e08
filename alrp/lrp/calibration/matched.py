"""The score of each detection, and its IoU with the object that it matches."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...coco import describe_source
from ..by_class import check_unique
from ..curve import lrp_curve
from ..ground_truth import open_ground_truth
from ..inputs import Detections, GroundTruth, Results, read_detections
from ..matching import match
from ..tasks import Task
from ..types import BoolArray, FloatArray, IntArray
from .curves import CalibrationError

ABOVE_ZERO = float(np.finfo(np.float64).tiny)  # as the lowest IoU of a match: any IoU but 0
IOU_TYPES = 'bbox', 'segm'


@dataclass(frozen=True)
class MatchedScores:
    """N detections that count, by category, then by descending score; G objects that count.

    ``category`` and ``image`` are positions in the sorted ids.

    Attributes:
        names (list[str]): Names of the K categories, by ascending id.
        labels (list[str]): The names in the order of the file, which is the order of a detector's
            labels.
        iou_type (str): ``bbox`` or ``segm``.
        num_images (int): Number of images.
        category (np.ndarray): Shape (N,), int64, ascending.
        image (np.ndarray): Shape (N,), int64.
        score (np.ndarray): Shape (N,), float64, in [0, 1].
        iou (np.ndarray): Shape (N,), float64, with the object of the detection; 0 for a false
            positive.
        object_category (np.ndarray): Shape (G,), int64.
        object_image (np.ndarray): Shape (G,), int64.
    """

    names: list[str]
    labels: list[str]
    iou_type: str
    num_images: int
    category: IntArray
    image: IntArray
    score: FloatArray
    iou: FloatArray
    object_category: IntArray
    object_image: IntArray

    @property
    def num_objects(self) -> IntArray:
        """Objects of each category: shape (K,), int64."""
        return np.bincount(self.object_category, minlength=len(self.names))

    def of_category(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Scores and IoUs of the detections of category k, by descending score."""
        mine = slice(*np.searchsorted(self.category, [k, k + 1]))
        return self.score[mine], self.iou[mine]

    def in_images(self, chosen: BoolArray) -> 'MatchedScores':
        """The detections and objects in some of the images. ``chosen`` has shape (images,)."""
        kept = self._filtered(chosen[self.image])
        objects = chosen[self.object_image]
        return replace(
            kept,
            num_images=int(chosen.sum()),
            object_category=self.object_category[objects],
            object_image=self.object_image[objects],
        )

    def above(self, thresholds: FloatArray) -> 'MatchedScores':
        """The detections that reach the threshold of their category, shape (K,); none at NaN."""
        return self._filtered(self.score >= thresholds[self.category])

    def optimal_thresholds(self) -> FloatArray:
        """The LRP-optimal threshold of each category at an IoU threshold of 0.

        Returns:
            np.ndarray: Shape (K,), float64; NaN without a true positive.
        """
        thresholds = np.full(len(self.names), np.nan)
        for k, num_objects in enumerate(self.num_objects.tolist()):
            if num_objects:
                curve = lrp_curve(*self.of_category(k), num_objects, tau=ABOVE_ZERO)
                thresholds[k] = curve.optimum().lrp_opt_thr
        return thresholds

    def _filtered(self, kept: BoolArray) -> 'MatchedScores':
        return replace(
            self,
            category=self.category[kept],
            image=self.image[kept],
            score=self.score[kept],
            iou=self.iou[kept],
        )


def match_scores(
    ground_truth: str | os.PathLike[str] | dict[str, Any],
    results: Results,
    iou_type: str | None = None,
    max_dets: int | None = None,
    *,
    rules: str | None = None,
) -> MatchedScores:
    """Match the detections of a detector as COCO does, at an IoU threshold of 0.

    Args:
        ground_truth (str | os.PathLike | dict): COCO-format annotations: a path, or the content.
        results (str | os.PathLike | list[dict] | dict[str, ArrayLike]): COCO-format results: a
            path, the content, or arrays.
        iou_type (str, optional): ``bbox`` or ``segm``. Defaults to boxes if the results have any.
        max_dets (int, optional): Detections per image and category, or per image for LVIS. Defaults
            to 100, and 300 for LVIS.
        rules (str, optional): ``coco`` or ``lvis``. Defaults to the rules of the ground truth.

    Returns:
        MatchedScores: Detections and objects that count.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a value is malformed, a score is above 1, two classes share a name, or the
            results are keypoints.
    """
    truth, task = open_ground_truth(ground_truth, results, iou_type, rules)
    _check_task(task)
    check_unique(truth.names, 'calibration curves', CalibrationError)
    where = describe_source(results, 'the results')
    detections = read_detections(results, truth, task, where)
    return match_arrays(detections, truth, task, max_dets or task.max_dets[-1], where)


def match_arrays(
    detections: Detections, truth: GroundTruth, task: Task, max_dets: int, where: str = ''
) -> MatchedScores:
    """``match_scores`` for files that were read already. ``where`` is the name of the results."""
    where = where or 'the results'
    _check_task(task)
    if len(detections.score) and detections.score.max() > 1:
        i = int(detections.score.argmax())
        raise ValueError(
            f'{where}: calibration needs scores from 0 to 1, but results[{i}] has the score '
            f'{detections.score[i]:g}'
        )
    everything = replace(task, areas=dict([*task.areas.items()][:1]))
    matches = match(detections, truth, np.array([ABOVE_ZERO]), max_dets, everything)
    counts, iou = matches.in_range[0].copy(), np.zeros(len(matches.score))
    rows, true_positive = matches.rows, matches.true_positive[0, 0]
    counts[rows] = (counts[rows] | true_positive) & ~matches.ignored[0, 0]
    counts &= matches.rank < max_dets
    iou[rows] = matches.iou[0]
    objects = everything.in_areas(truth.area)[0] & ~truth.ignored
    names = dict(zip(truth.categories, truth.names))
    return MatchedScores(
        names=truth.names,
        labels=[names[i] for i in truth.labels],
        iou_type=task.iou_type,
        num_images=len(truth.images),
        category=matches.category[counts],
        image=matches.image[counts],
        score=matches.score[counts],
        iou=iou[counts],
        object_category=truth.category[objects],
        object_image=truth.image[objects],
    )


def _check_task(task: Task) -> None:
    if task.iou_type not in IOU_TYPES:
        raise ValueError(
            f'calibration is defined for {" and ".join(IOU_TYPES)}, not for {task.iou_type}: the '
            'similarity of keypoints is above 0 for any two objects'
        )
