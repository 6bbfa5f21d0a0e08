"""AP and LRP of a detector from two files, in one go."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .average_precision import IOU_THRESHOLDS, average_precision
from .counting import TruePositives, count_positives, scores_and_ious
from .curve import TAU, LRPCurve, OptimalLRP, lrp_curve, mean_over_classes, optimal_lrp
from .inputs import read_detections, read_ground_truth
from .matching import AREAS, Matches, match
from .summary import SIZES, average_precisions, lrp_means

STEPS = 'reading the ground truth', 'reading the results', 'matching', 'counting'
AP_LIMIT = 100  # detections per image and category for which pycocotools gives AP


@dataclass(frozen=True)
class Evaluation:
    """AP and LRP of a detector.

    K categories by ascending id, A ranges of areas, T IoU thresholds, R recalls, M limits on the
    detections of an image and a category. -1 is undefined: there is no object. ``olrp``,
    ``olrp_loc``, ``olrp_fp``, ``olrp_fn`` and ``lrp_opt_thr`` are those of the largest limit.

    Attributes:
        summary (dict[str, float]): The 12 numbers of COCO and 7 of LRP, means over the categories:
            ``AP``, ``AP50``, ``AP75``, ``AP_s``, ``AP_m``, ``AP_l``, ``AR1``, ``AR10``, ``AR100``,
            ``AR_s``, ``AR_m``, ``AR_l``, ``oLRP``, ``oLRP_loc``, ``oLRP_fp``, ``oLRP_fn``,
            ``oLRP_s``, ``oLRP_m``, ``oLRP_l``.
        category_ids (list): Their ids.
        category_names (list[str]): Their names.
        labels (list): The ids in the order of the file, which is that of a detector's labels.
        iou_type (str): ``bbox`` or ``segm``.
        num_images (int): Images, those without objects as well.
        areas (list[str]): ``all``, ``small``, ``medium``, ``large``.
        max_dets (list[int]): The limits, ascending.
        iou_thresholds (np.ndarray): Shape (T,), of AP.
        precision (np.ndarray): Shape (T, R, K, A, M), as in pycocotools.
        recall (np.ndarray): Shape (T, K, A, M), as in pycocotools.
        lrp (dict[int, OptimalLRP]): For each limit, arrays of shape (K, A).
        matches (Matches): What every detection matches; the first threshold is that of LRP.
    """

    summary: dict[str, float]
    category_ids: list
    category_names: list[str]
    labels: list
    iou_type: str
    num_images: int
    areas: list[str]
    max_dets: list[int]
    iou_thresholds: np.ndarray = field(repr=False)
    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)
    lrp: dict[int, OptimalLRP] = field(repr=False)
    matches: Matches = field(repr=False)

    @property
    def olrp(self) -> np.ndarray:
        """Optimal LRP. Shape (K, A)."""
        return self.lrp[self.max_dets[-1]].olrp

    @property
    def olrp_loc(self) -> np.ndarray:
        """Its localisation component. Shape (K, A), NaN without true positives."""
        return self.lrp[self.max_dets[-1]].olrp_loc

    @property
    def olrp_fp(self) -> np.ndarray:
        """Its false positive component. Shape (K, A), NaN without true positives."""
        return self.lrp[self.max_dets[-1]].olrp_fp

    @property
    def olrp_fn(self) -> np.ndarray:
        """Its false negative component. Shape (K, A)."""
        return self.lrp[self.max_dets[-1]].olrp_fn

    @property
    def lrp_opt_thr(self) -> np.ndarray:
        """The LRP-optimal score threshold. Shape (K, A), NaN without true positives."""
        return self.lrp[self.max_dets[-1]].lrp_opt_thr

    def curve(self, category_id, area: str = 'all', max_dets: int | None = None) -> LRPCurve:
        """LRP error and components over the score, for one category.

        Args:
            category_id (int | str): Its id.
            area (str): One of ``areas``.
            max_dets (int, optional): One of ``max_dets``. Defaults to the largest.

        Returns:
            LRPCurve: Of all detections that are not ignored.

        Raises:
            ValueError: If there is no such category, area or limit.
        """
        max_dets = self.max_dets[-1] if max_dets is None else max_dets
        for value, known in (
            (category_id, self.category_ids),
            (area, self.areas),
            (max_dets, self.max_dets),
        ):
            if value not in known:
                raise ValueError(f'there is no {value!r} among {known}')
        k, a = self.category_ids.index(category_id), self.areas.index(area)
        scores, ious = scores_and_ious(self.matches, k, a, max_dets)
        return lrp_curve(scores, ious, self.matches.num_objects[k, a])

    def to_dict(self) -> dict:
        """What is needed of it in a file: numbers, lists and text, None in place of NaN.

        ``summary``, ``category_ids``, ``areas``, and ``per_category``, where ``olrp``,
        ``olrp_loc``, ``olrp_fp``, ``olrp_fn`` and ``lrp_opt_thr`` have a list of A values for each
        category, at the largest limit.
        """
        return dict(
            summary=dict(self.summary),
            category_ids=list(self.category_ids),
            areas=list(self.areas),
            per_category={
                name: [[None if x != x else x for x in row] for row in values.tolist()]
                for name, values in self.lrp[self.max_dets[-1]]._asdict().items()
            },
        )


def evaluate_lrp(
    ground_truth: str | os.PathLike | dict,
    results: str | os.PathLike | list[dict],
    iou_type: str = 'bbox',
    max_dets: Sequence[int] = (1, 10, 100),
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    on_step: Callable[[str], object] = lambda step: None,
) -> Evaluation:
    """Evaluate detections in COCO format: AP as pycocotools gives it, and LRP.

    Args:
        ground_truth (str | os.PathLike | dict): Path of a file of COCO-format annotations, or what
            is in it.
        results (str | os.PathLike | list[dict]): Path of a file of results in COCO format, or what
            is in it. No detections at all have an AP of 0 and an LRP of 1.
        iou_type (str): ``bbox`` or ``segm``.
        max_dets (Sequence[int]): Limits on the detections of an image and a category. LRP, AP50,
            AP75 and the sizes are those of the largest; AP is that of 100, as in pycocotools, or of
            the largest if 100 is not among them.
        iou_thresholds (Sequence[float]): IoUs in (0, 1] over which AP and AR are means. LRP always
            takes detections from an IoU of 0.5.
        on_step (Callable[[str], object]): Called with the name of each of ``STEPS`` as it begins,
            for a progress bar.

    Returns:
        Evaluation: Summary and per-category values.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If anything is malformed, not finite, negative, duplicated or unknown.
    """
    limits = sorted(set(max_dets))
    thresholds = np.array(iou_thresholds, dtype=np.float64).reshape(-1)
    if not limits or limits[0] < 1:
        raise ValueError(f'max_dets must be whole numbers from 1, but are {max_dets}')
    if not len(thresholds) or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError(f'iou_thresholds must be above 0 and up to 1, but are {iou_thresholds}')
    read_truth, read_results, matching, counting = STEPS
    on_step(read_truth)
    truth = read_ground_truth(ground_truth, iou_type)
    on_step(read_results)
    detections = read_detections(results, truth, iou_type)
    on_step(matching)
    matches = match(detections, truth, np.append(TAU, thresholds), limits[-1])
    on_step(counting)
    precision, recall, lrp = [], [], {}
    for limit in limits:
        hits = count_positives(matches, limit)
        lrp[limit] = _optimal_lrp(hits, matches)
        for arrays, values in zip(
            (precision, recall), average_precision(hits, matches.num_objects)
        ):
            arrays.append(values[1:])
    precision, recall = np.stack(precision, axis=-1), np.stack(recall, axis=-1)
    return Evaluation(
        summary=_summary(thresholds, limits, precision, recall, lrp[limits[-1]]),
        category_ids=list(truth.categories),
        category_names=[str(c.get('name', i)) for i, c in truth.categories.items()],
        labels=truth.labels,
        iou_type=iou_type,
        num_images=len(truth.images),
        areas=list(AREAS),
        max_dets=limits,
        iou_thresholds=thresholds,
        precision=precision,
        recall=recall,
        lrp=lrp,
        matches=matches,
    )


def _optimal_lrp(hits: TruePositives, matches: Matches) -> OptimalLRP:
    """Of the first threshold, which is tau."""
    counts = hits.counts[:1]
    count = counts.sum()
    at_tau = TruePositives(counts, hits.starts[:1], *(x[:count] for x in hits[2:]))
    area = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=(0, 2)))
    return optimal_lrp(
        at_tau,
        ious=matches.iou[area, at_tau.match],
        scores=matches.score[matches.rows[at_tau.match]],
        num_objects=matches.num_objects,
    )


def _summary(thresholds, limits, precision, recall, lrp: OptimalLRP) -> dict[str, float]:
    mean = mean_over_classes
    ap_limit = limits.index(AP_LIMIT) if AP_LIMIT in limits else -1
    summary = average_precisions(precision[..., -1], thresholds)
    summary['AP'] = mean(precision[..., 0, ap_limit].ravel())
    summary |= {f'AR{limit}': mean(recall[..., 0, m].ravel()) for m, limit in enumerate(limits)}
    summary |= {f'AR{size}': mean(recall[..., a, -1].ravel()) for size, a in SIZES.items()}
    return summary | lrp_means(lrp)
