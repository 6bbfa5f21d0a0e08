"""Compares JSON and PNGs: ids without a segment, segments without pixels, and wrong areas."""

import warnings

import numpy as np

from ...coco.source import raise_problems
from ...text import format_list
from ..types import IntArray
from .files import PanopticFile
from .matching import Located, ious_of, pixels_of
from .segments import VOID, Overlaps


def check_pixels(
    truth: PanopticFile, results: PanopticFile, overlaps: Overlaps, at: Located
) -> None:
    """Check the ids and areas of both files against the PNGs.

    Warns of ids in a PNG of the ground truth without a segment, and of areas that differ from the
    PNG. As in the COCO panoptic evaluation, the former are objects of no category and not VOID, and
    the IoU uses the area of the file.

    Raises:
        CocoFormatError: If an id in a PNG of the results has no segment, a segment of the results
            has no pixels, or the area of an object is smaller than what a prediction shares with
            it.
    """
    lost = np.flatnonzero((at.result < 0) & (overlaps.result_id != VOID))
    problems = _ids_without_segment(results, overlaps.image[lost], overlaps.result_id[lost])
    sizes = pixels_of(at.result, overlaps.pixels, len(results.segments.id))
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        problems.append(
            f'{len(empty)} of {len(sizes)} segments have no pixels in the PNG: '
            f'{format_list(map(results.label, empty.tolist()))}'
        )
    raise_problems(results.where, problems)

    pairs, ious = ious_of(truth.segments, results.segments, overlaps, at)
    wrong = np.unique(at.truth[pairs[~(ious <= 1) | (ious < 0)]])
    sizes = pixels_of(at.truth, overlaps.pixels, len(truth.segments.id))
    if len(wrong):
        what = 'have an area that is too small for their pixels in the PNG'
        raise_problems(truth.where, [_wrong_areas(truth, wrong, sizes, what)])
    lost = np.flatnonzero((at.truth < 0) & (overlaps.truth_id != VOID))
    problems = _ids_without_segment(truth, overlaps.image[lost], overlaps.truth_id[lost])
    different = np.flatnonzero(sizes != truth.segments.area)
    if len(different):
        what = 'have an area other than their number of pixels in the PNG'
        problems.append(_wrong_areas(truth, different, sizes, what))
    for problem in problems:
        warnings.warn(f'{truth.where}: {problem}', stacklevel=3)


def _wrong_areas(truth: PanopticFile, segments: IntArray, sizes: IntArray, what: str) -> str:
    examples = (f'{truth.segments.area[i]:g}, not {sizes[i]} ({truth.label(i)})' for i in segments)
    return f'{len(segments)} of {len(sizes)} segments {what}: {format_list(examples)}'


def _ids_without_segment(file: PanopticFile, image: IntArray, ids: IntArray) -> list[str]:
    found = [*dict.fromkeys(zip(image.tolist(), ids.tolist()))]
    if not found:
        return []
    examples = (f'{i} ({file.file_names[n]}, image {file.image_ids[n]})' for n, i in found)
    text = f'{len(found)} ids in PNGs have no segment in segments_info'
    return [f'{text}: {format_list(examples)}']
