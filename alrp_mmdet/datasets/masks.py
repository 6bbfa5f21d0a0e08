"""Masks in COCO's three formats: polygons, run lengths and compressed run lengths."""

import numpy as np
from pycocotools import mask as mask_api

from alrp.coco import CocoFormatError
from alrp.lrp.masks import Rle, masks_from


def encode(segmentation: list | dict, height: int, width: int) -> Rle:
    """Compressed run lengths of a mask.

    Raises:
        ValueError: If the mask is malformed or has another size. The message says why.
    """
    try:
        return masks_from([segmentation], [(height, width)], '').rles[0]
    except CocoFormatError as error:
        raise ValueError(error.problems[0]) from error


def decode(rle: Rle) -> np.ndarray:
    """The pixels of a mask, shape (height, width), bool."""
    return mask_api.decode(rle).astype(bool)
