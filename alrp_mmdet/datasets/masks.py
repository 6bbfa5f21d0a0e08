"""Masks in COCO's three formats: polygons, run lengths and compressed run lengths."""

import numpy as np
from pycocotools import mask as mask_api

from alrp.lrp.masks import Rle, run_length_sums, to_rle


def encode(segmentation: list | dict, height: int, width: int) -> Rle:
    """Compressed run lengths of a mask.

    Raises:
        ValueError: If the mask is malformed or has another size. The message says why.
    """
    try:
        rle = to_rle(segmentation, (height, width))
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    except KeyError as error:
        raise ValueError(f'its run lengths have no key {error}') from error
    # pycocotools would loop forever, or read beyond the counts.
    if run_length_sums([rle['counts']])[0] != height * width:
        raise ValueError(f'its run lengths do not add up to {height} x {width} pixels')
    return rle


def decode(rle: Rle) -> np.ndarray:
    """The pixels of a mask, shape (height, width), bool."""
    return mask_api.decode(rle).astype(bool)


def area_and_box(rle: Rle) -> tuple[int, list[float]]:
    """The number of pixels of a mask, and its bounding box as x, y, width, height."""
    return int(mask_api.area(rle)), mask_api.toBbox(rle).tolist()
