"""Reads PNGs of segment ids, and counts the pixels that segments share."""

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...coco.source import CocoFormatError
from ..types import Array, IntArray
from .segments import NUM_IDS, Overlaps

RGB = 1, 256, 256**2  # what each channel adds to an id
CHUNK = 16  # images that a process takes at a time
SIGNATURE = b'\x89PNG\r\n\x1a\n'
HEADER = 33  # bytes
CHANNELS = {2: 3, 6: 4}  # by type of colour
COLOURS = {0: 'grayscale', 2: 'RGB', 3: 'palette', 4: 'grayscale with alpha', 6: 'RGBA'}


class Mask(NamedTuple):
    """The id of every pixel of an image, in three channels.

    Attributes:
        pixels (np.ndarray): Shape (H, W, 3), uint8.
        weights (tuple[int, int, int]): An id is the sum of the channels times these.
    """

    pixels: Array
    weights: tuple[int, int, int] = RGB

    @classmethod
    def of_ids(cls, ids: Array) -> 'Mask':
        """The mask of ids from 0 to 2**24 - 1, shape (H, W)."""
        return cls(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8))


def count_overlaps(truth: Mask, result: Mask) -> IntArray:
    """Count the pixels of each pair of ids.

    Segments are compact, so neighbours mostly have the same ids. Only the ends of runs of equal
    pixels are sorted.

    Args:
        truth (Mask): Of H * W pixels.
        result (Mask): Of as many pixels.

    Returns:
        np.ndarray: Shape (P, 3), int64: the id in ``truth``, the id in ``result``, and the number
        of pixels, by ascending ids.
    """
    first, second = truth.pixels.reshape(-1), result.pixels.reshape(-1)
    if not len(first):
        return np.zeros((0, 3), dtype=np.int64)
    changed = first[3:] != first[:-3]
    changed |= second[3:] != second[:-3]
    ends = np.append(np.flatnonzero(changed) // 3, len(first) // 3 - 1)
    ends = ends[np.append(ends[1:] != ends[:-1], True)]
    lengths = np.diff(ends, prepend=-1)
    truth_id, result_id = (
        mask.pixels.reshape(-1, 3).take(ends, axis=0).astype(np.int64) @ np.array(mask.weights)
        for mask in (truth, result)
    )
    pairs = truth_id * NUM_IDS + result_id
    order = np.argsort(pairs)
    pairs = pairs[order]
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1]))
    counts = np.add.reduceat(lengths[order], starts)
    return np.column_stack([*np.divmod(pairs[starts], NUM_IDS), counts])


def read_mask(path: Path) -> Mask:
    """Read a PNG of segment ids. See ``decode_mask``.

    Raises:
        OSError: If the file cannot be opened.
    """
    return decode_mask(path.read_bytes(), str(path))


def decode_mask(content: bytes, where: str) -> Mask:
    """Decode a PNG of segment ids.

    Args:
        content (bytes): An RGB or RGBA PNG with 8 bits per channel. Alpha is ignored.
        where (str): The file, for messages.

    Returns:
        Mask: The ids, R + 256 G + 65536 B.

    Raises:
        CocoFormatError: If the content is not such a PNG, or is damaged.
        ImportError: If neither kornia-rs nor OpenCV is installed.
    """
    decode = _decoder()
    if not content.startswith(SIGNATURE) or len(content) < HEADER:
        raise CocoFormatError(where, ['not a PNG'])
    width, height = (int.from_bytes(content[start : start + 4], 'big') for start in (16, 20))
    bits, colour = content[24], content[25]
    if bits != 8 or colour not in CHANNELS:
        found = f'{COLOURS.get(colour, "unknown")} with {bits} bits per channel'
        raise CocoFormatError(
            where,
            [f'expected an RGB PNG with 8 bits per channel, whose colours are ids, got {found}'],
        )
    if b'IEND' not in content:  # OpenCV would leave the rest of the image black
        raise CocoFormatError(where, ['incomplete PNG'])
    try:
        return decode(content, height, width, CHANNELS[colour])
    except Exception as error:  # kornia-rs raises plain exceptions
        raise CocoFormatError(where, [f'damaged PNG ({error})']) from error


def _decoder() -> Callable[[bytes, int, int, int], Mask]:
    if importlib.util.find_spec('kornia_rs') is not None:
        return _decode_with_kornia
    if importlib.util.find_spec('cv2') is not None:
        return _decode_with_opencv
    raise ImportError('reading PNGs needs kornia-rs or OpenCV: pip install kornia-rs')


def _decode_with_kornia(content: bytes, height: int, width: int, channels: int) -> Mask:
    from kornia_rs.io import decode_image_png_u8

    mode = 'rgb' if channels == 3 else 'rgba'
    return Mask(_three_channels(decode_image_png_u8(content, (height, width), mode)))


def _decode_with_opencv(content: bytes, height: int, width: int, channels: int) -> Mask:
    import cv2

    # Colours of an RGBA image unchanged, and pixels where they are in the file.
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (height, width, channels):
        raise ValueError('OpenCV cannot decode it')
    return Mask(_three_channels(pixels), RGB[::-1])


def _three_channels(pixels: Array) -> Array:
    return np.ascontiguousarray(pixels[..., :3])


def read_overlaps(paths: Sequence[tuple[Path, Path]], num_workers: int) -> Overlaps:
    """Count the pixels that segments share in many images.

    Args:
        paths (Sequence[tuple[Path, Path]]): The PNGs of ground truth and results of each image.
        num_workers (int): Number of processes. 1 uses none but this one.

    Returns:
        Overlaps: In the order of images, for any number of processes.

    Raises:
        OSError: If a file cannot be opened.
        CocoFormatError: If a file is not an RGB PNG, or if two of an image differ in size.
        ImportError: If neither kornia-rs nor OpenCV is installed.
    """
    _decoder()  # fails before processes start
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    num_workers = min(num_workers, len(chunks))
    if num_workers <= 1:
        found = [image for chunk in chunks for image in _read_chunk(chunk)]
    else:
        found = _read_in_processes(chunks, num_workers)
    return join_overlaps(found)


def join_overlaps(images: Sequence[IntArray]) -> Overlaps:
    """The overlaps of many images from the tables of ``count_overlaps``, in their order."""
    table = np.concatenate([np.zeros((0, 3), dtype=np.int64), *images])
    image = np.repeat(np.arange(len(images)), [len(pairs) for pairs in images])
    return Overlaps(image, *table.T)


def _read_chunk(paths: Sequence[tuple[Path, Path]]) -> list[IntArray]:
    found = []
    for truth_path, result_path in paths:
        truth, result = read_mask(truth_path), read_mask(result_path)
        if truth.pixels.shape != result.pixels.shape:
            (height, width), (h, w) = truth.pixels.shape[:2], result.pixels.shape[:2]
            raise CocoFormatError(
                str(result_path),
                [f'{w} x {h} pixels (width x height), but {truth_path} has {width} x {height}'],
            )
        found.append(count_overlaps(truth, result))
    return found


def _read_in_processes(
    chunks: Sequence[Sequence[tuple[Path, Path]]], num_workers: int
) -> list[IntArray]:
    # Here, as importing them takes time and few images need no processes.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Scripts without `if __name__ == '__main__'` may call this: only fork lets them.
    context = multiprocessing.get_context('fork' if sys.platform == 'linux' else None)
    with warnings.catch_warnings():
        # NumPy's threads are no danger: the processes decode and count only.
        warnings.filterwarnings('ignore', '.*fork', DeprecationWarning)
        executor = ProcessPoolExecutor(num_workers, context)
        try:
            return [image for chunk in executor.map(_read_chunk, chunks) for image in chunk]
        finally:
            executor.shutdown(cancel_futures=True)


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
