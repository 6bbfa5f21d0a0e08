"""PQ and LRP of panoptic segmentation.

PQ follows Kirillov et al., CVPR 2019 (arXiv 1801.00868), as in COCO; LRP follows Oksuz et al.,
TPAMI 2021 (arXiv 2011.10772). Panoptic results have no scores, so LRP is the error of all of them,
without a threshold to optimise.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..curve import TAU
from ..types import BoolArray, FloatArray, IntArray
from .checks import check_pixels
from .files import PanopticFile, Source, read_results, read_truth
from .masks import available_cores, read_overlaps
from .matching import FP, Counts, Outcomes, locate, match
from .segments import Categories, Overlaps

STEPS = 'reading the ground truth', 'reading the results', 'reading the PNGs', 'matching'
MEASURES = 'PQ', 'SQ', 'RQ', 'LRP', 'LRP_loc', 'LRP_fp', 'LRP_fn'
SUFFIXES = dict(All='', Things='_th', Stuff='_st')


@dataclass(frozen=True)
class PanopticEvaluation:
    """PQ and LRP of K categories by ascending id.

    Attributes:
        category_ids (list): Ids of the categories.
        category_names (list[str]): Names of the categories.
        isthing (np.ndarray): Shape (K,), bool.
        num_images (int): Images.
        outcomes (Outcomes): True positives, false positives and false negatives.
    """

    category_ids: list[Any]
    category_names: list[str]
    isthing: BoolArray
    num_images: int
    outcomes: Outcomes = field(repr=False)

    @cached_property
    def counts(self) -> Counts:
        """Numbers of outcomes and sums of IoUs by category. Arrays of shape (K,)."""
        return self.outcomes.by_category(len(self.category_ids))

    @property
    def num_objects(self) -> IntArray:
        """Objects of each category that are not crowds. Shape (K,)."""
        return self.counts.tp + self.counts.fn

    @property
    def num_predictions(self) -> IntArray:
        """Predictions of each category that are not ignored. Shape (K,)."""
        return self.counts.tp + self.counts.fp

    def per_category(self) -> dict[str, FloatArray]:
        """The values in ``MEASURES`` of each category. Arrays of shape (K,).

        PQ, SQ and RQ are 0 without a true positive, as in COCO. LRP is NaN without objects and
        predictions, ``LRP_loc`` without a true positive, ``LRP_fp`` without predictions, and
        ``LRP_fn`` without objects.
        """
        tp, fp, fn, iou_sum = self.counts
        with np.errstate(invalid='ignore', divide='ignore'):
            sq = np.where(tp > 0, iou_sum / tp, 0.0)
            rq = np.where(tp > 0, tp / (tp + fp / 2 + fn / 2), 0.0)
            pq = np.where(tp > 0, iou_sum / (tp + fp / 2 + fn / 2), 0.0)
            loc_error = tp - iou_sum
            lrp = (loc_error / (1 - TAU) + fp + fn) / (tp + fp + fn)
            parts = loc_error / tp, fp / (tp + fp), fn / (tp + fn)
        return dict(zip(MEASURES, (pq, sq, rq, lrp, *parts)))

    @property
    def summary(self) -> dict[str, dict[str, float]]:
        """The values in ``MEASURES``, and ``n``, of ``All``, ``Things`` and ``Stuff``.

        PQ, SQ, RQ and LRP are means over the ``n`` categories with an object or a prediction, the
        components of LRP over the categories in which they are defined. NaN if there is none.
        """
        values = self.per_category()
        tp, fp, fn, _ = self.counts
        counted = tp + fp + fn > 0
        groups = dict(All=counted, Things=counted & self.isthing, Stuff=counted & ~self.isthing)
        return {
            name: {
                'n': int(group.sum()),
                **{measure: _mean(values[measure][group]) for measure in MEASURES},
            }
            for name, group in groups.items()
        }

    def values(self) -> dict[str, float]:
        """The summary by MMDetection's names: ``PQ``, ``PQ_th``, ``PQ_st``, ``SQ``, ..."""
        return {
            measure + SUFFIXES[group]: numbers[measure]
            for group, numbers in self.summary.items()
            for measure in MEASURES
        }

    def has_ground_truth_of(self, other: object) -> bool:
        """Whether another evaluation is of the same objects."""
        return (
            isinstance(other, PanopticEvaluation)
            and self.category_ids == other.category_ids
            and self.num_images == other.num_images
            and np.array_equal(self._objects(), other._objects())
        )

    def _objects(self) -> IntArray:
        """One number for image and category of each object, ascending."""
        image, category, kind, _ = self.outcomes
        places = image * len(self.category_ids) + category
        return np.sort(places[kind != FP])

    def resampled(self, times: IntArray) -> 'PanopticEvaluation':
        """The evaluation if image i occurs ``times[i]`` times. Shape (``num_images``,), int64."""
        return replace(self, num_images=int(times.sum()), outcomes=self.outcomes.repeat(times))

    def resampler(self) -> Callable[[IntArray], dict[str, float]]:
        """A function that gives the values if image i occurs ``times[i]`` times."""
        return lambda times: self.resampled(times).values()

    def to_dict(self) -> dict[str, Any]:
        """Summary and values by category, ready for JSON: NaN becomes None.

        The keys are ``summary``, ``category_ids``, ``isthing``, ``tau`` and ``per_category``, in
        which ``tp``, ``fp``, ``fn``, ``iou_sum``, ``pq``, ``sq``, ``rq``, ``lrp``, ``lrp_loc``,
        ``lrp_fp`` and ``lrp_fn`` have one value per category.
        """
        values = {name.lower(): v for name, v in self.per_category().items()}
        return dict(
            summary={
                group: {name: _or_none(value) for name, value in numbers.items()}
                for group, numbers in self.summary.items()
            },
            category_ids=list(self.category_ids),
            isthing=self.isthing.astype(int).tolist(),
            tau=TAU,
            per_category={
                name: [*map(_or_none, array.tolist())]
                for name, array in {**self.counts._asdict(), **values}.items()
            },
        )


def evaluate_panoptic_lrp(
    ground_truth: Source,
    results: Source,
    gt_masks: str | os.PathLike[str] | None = None,
    masks: str | os.PathLike[str] | None = None,
    num_workers: int | None = None,
    on_step: Callable[[str], object] = lambda step: None,
) -> PanopticEvaluation:
    """Evaluate panoptic segmentation in COCO format: PQ, and LRP with its components.

    Args:
        ground_truth (str | os.PathLike | dict): Path of the JSON file of annotations, or its
            content.
        results (str | os.PathLike | dict): Path of the JSON file of results, or its content.
        gt_masks (str | os.PathLike, optional): The folder of PNGs of the ground truth. Defaults to
            the path of the JSON file without ``.json``.
        masks (str | os.PathLike, optional): The folder of PNGs of the results, likewise.
        num_workers (int, optional): Number of processes that read PNGs. The result does not depend
            on it. Defaults to the number of cores.
        on_step (Callable[[str], object]): Called with each name in ``STEPS`` when the step starts,
            for a progress display.

    Returns:
        PanopticEvaluation: Summary and values per category.

    Raises:
        OSError: If a file cannot be opened.
        CocoFormatError: A ``ValueError``, if a file is malformed, a PNG is missing or does not
            match the JSON file, or an image has no prediction.
        ValueError: If a folder is not given and cannot be guessed, or ``num_workers`` is below 1.
        ImportError: If neither kornia-rs nor OpenCV is installed.
    """
    if num_workers is not None and num_workers < 1:
        raise ValueError(f'num_workers must be at least 1, got {num_workers}')
    gt_folder = _folder(ground_truth, gt_masks, 'gt_masks')
    folder = _folder(results, masks, 'masks')
    read_gt, read_predictions, read_pngs, matching = STEPS
    on_step(read_gt)
    truth, categories = read_truth(ground_truth)
    on_step(read_predictions)
    predictions = read_results(results, truth, categories)
    on_step(read_pngs)
    paths = [*zip(truth.paths(gt_folder), predictions.paths(folder))]
    overlaps = read_overlaps(paths, num_workers or available_cores())
    on_step(matching)
    return evaluate_overlaps(truth, predictions, categories, overlaps)


def evaluate_overlaps(
    truth: PanopticFile, results: PanopticFile, categories: Categories, overlaps: Overlaps
) -> PanopticEvaluation:
    """Evaluate segments whose pixels are counted already.

    Args:
        truth (PanopticFile): Annotations of N images.
        results (PanopticFile): Results of the same images.
        categories (Categories): K categories.
        overlaps (Overlaps): Pixels that the segments share.

    Returns:
        PanopticEvaluation: Summary and values per category.

    Raises:
        CocoFormatError: If the files do not match their PNGs. See ``check_pixels``.
    """
    at = locate(truth.segments, results.segments, overlaps)
    check_pixels(truth, results, overlaps, at)
    outcomes = match(truth.segments, results.segments, overlaps, at, len(categories.ids))
    return PanopticEvaluation(
        category_ids=categories.ids,
        category_names=categories.names,
        isthing=np.array(categories.isthing, dtype=np.bool_),
        num_images=len(truth.image_ids),
        outcomes=outcomes,
    )


def _folder(source: Source, folder: str | os.PathLike[str] | None, option: str) -> Path:
    if folder is not None:
        return Path(folder)
    if isinstance(source, str | os.PathLike) and Path(source).suffix == '.json':
        return Path(source).with_suffix('')
    raise ValueError(f'{option} is needed, the folder of PNGs: no path ending in .json to guess it')


def _mean(values: FloatArray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float('nan')


def _or_none(value: float) -> float | None:
    return None if value != value else value
