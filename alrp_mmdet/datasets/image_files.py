"""Image files, as MMDetection reads them."""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import numpy as np
from PIL import Image, UnidentifiedImageError

EXIF_ORIENTATION = 0x0112
TIFF_BITS = 258  # BitsPerSample
DEEP = 'images with more than 8 bits: OpenCV keeps the highest 8; scale them to 8 bits yourself'
TRANSPARENT = 'images with transparent parts: OpenCV shows the colours below'
FRAMES = 'files with several images: only the first is read'
OTHER_SIZE = 'image size differs from the annotations'
ROTATED = (
    'images that EXIF rotates or flips, in training too: are the boxes drawn on the rotated image?'
)
# Pillow lacks these formats or limits, but OpenCV may read the file.
UNKNOWN_TO_PILLOW = UnidentifiedImageError, NotImplementedError, Image.DecompressionBombError


@dataclass(frozen=True)
class ImageFile:
    """Size, content and problem of an image file.

    Attributes:
        width (int): Width in pixels after EXIF rotation; 0 if the file does not open.
        height (int): Height in pixels after EXIF rotation; 0 if the file does not open.
        digest (str): Hash of the file's content; empty if it cannot be read.
        problem (str | None): Why the file cannot be used, or None.
        orientation (int): EXIF orientation by which OpenCV rotates or flips the image; 1 if it does
            not.
        changes (dict[str, str]): What OpenCV changes in the image, with details.
    """

    width: int = 0
    height: int = 0
    digest: str = ''
    problem: str | None = None
    orientation: int = 1
    changes: dict[str, str] | None = None

    @property
    def transposed(self) -> bool:
        """Whether the orientation swaps width and height."""
        return self.orientation > 4


def compare_size(
    file: ImageFile, width: float, height: float, annotated: bool = True
) -> tuple[str, str] | None:
    """Compare an image with its annotated size, and look for rotation by EXIF.

    Args:
        file (ImageFile): The image file, without a problem.
        width (float): Annotated width in pixels.
        height (float): Annotated height in pixels.
        annotated (bool): Whether the size is that of the annotations, which shows if boxes were
            drawn on the rotated image. Defaults to True.

    Returns:
        tuple[str, str] | None: ``OTHER_SIZE`` or ``ROTATED`` with details, or None.
    """
    actual = file.width, file.height
    if actual != (width, height):
        transposed = ' (EXIF rotation?)' if actual[::-1] == (width, height) else ''
        return OTHER_SIZE, (
            f'is {actual[0]}x{actual[1]}, annotated as {width:g}x{height:g}{transposed}'
        )
    drawn_rotated = annotated and file.transposed and file.width != file.height
    if file.orientation > 1 and not drawn_rotated:
        return ROTATED, f'orientation {file.orientation}'
    return None


def inspect_images(
    paths: Iterable[Path], on_image: Callable[[], None] = lambda: None
) -> dict[Path, ImageFile]:
    """Decode every image completely: a truncated file would be trained on half grey.

    Args:
        paths (Iterable[Path]): The files; duplicates are read once.
        on_image (Callable): Called after each file.

    Returns:
        dict[Path, ImageFile]: Results by path.
    """

    def inspect(path: Path) -> ImageFile:
        found = _inspect(path)
        on_image()
        return found

    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns about metadata and large images
        return dict(zip(paths, pool.map(inspect, paths)))


def _inspect(path: Path) -> ImageFile:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, ValueError):  # ValueError: a NUL in the name
        return ImageFile(problem='missing')
    except OSError as error:
        return ImageFile(problem=f'cannot be read: {error.strerror}')
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    orientation, changes, deep = 1, {}, True
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # OpenCV fills up truncated images
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
            changes = _changes(image)
            deep = _is_deep(image, content)
    except UNKNOWN_TO_PILLOW:
        pass
    except Exception as error:  # each image format raises its own kinds
        return ImageFile(digest=digest, problem=f'cannot be decoded: {error}')
    pixels = _decode(content, 'color')
    if pixels is None:
        return ImageFile(digest=digest, problem='cannot be decoded by OpenCV, which training uses')
    if deep:
        changes.update(_lost_bits(content, pixels))
    if orientation not in range(2, 9) or not _is_rotated(content, pixels):
        orientation = 1
    height, width = pixels.shape[:2]
    return ImageFile(width, height, digest, None, orientation, changes)


def _decode(content: bytes, flag: str) -> np.ndarray | None:
    """Decode an image as ``LoadImageFromFile`` does, with a ``color_type``."""
    try:
        return mmcv.imfrombytes(content, flag=flag, backend='cv2')
    except cv2.error:
        return None


def _changes(image: Image.Image) -> dict[str, str]:
    changes = {}
    frames = getattr(image, 'n_frames', 1)
    if frames > 1 and image.format != 'MPO':  # phones add previews to a JPEG, as MPO
        changes[FRAMES] = f'{frames} images'
        image.seek(0)
    if 'A' in image.getbands() or 'transparency' in image.info:
        least = image.convert('RGBA').getchannel('A').getextrema()[0]
        if least < 255:
            changes[TRANSPARENT] = f'alpha from {least}'
    return changes


def _is_deep(image: Image.Image, content: bytes) -> bool:
    """Whether an image may have more than 8 bits per channel; Pillow reads some of these as 8."""
    if image.format == 'PNG':
        return content[24] > 8
    if image.format == 'TIFF':
        return max(image.tag_v2.get(TIFF_BITS, (1,))) > 8
    return image.mode.startswith(('I', 'F')) or image.format in ('JPEG2000', 'AVIF')


def _lost_bits(content: bytes, pixels: np.ndarray) -> dict[str, str]:
    raw = _decode(content, 'unchanged')
    if raw is None or raw.dtype == np.uint8:
        return {}
    before, after = f'{raw.min():g} to {raw.max():g}', f'{pixels.min()} to {pixels.max()}'
    return {DEEP: f'values {before} become {after}'}


def _is_rotated(content: bytes, pixels: np.ndarray) -> bool:
    stored = _decode(content, 'color_ignore_orientation')
    return stored is not None and not np.array_equal(stored, pixels)
