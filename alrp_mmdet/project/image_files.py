"""Image files, as MMDetection reads them."""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

EXIF_ORIENTATION = 0x0112
TRANSPOSED = 5, 6, 7, 8  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class ImageFile:
    """Size, content and problem of an image file.

    Attributes:
        width (int): Width in pixels after EXIF rotation; 0 if the file does not open.
        height (int): Height in pixels after EXIF rotation; 0 if the file does not open.
        digest (str): Hash of the file's content; empty if it cannot be read.
        problem (str | None): Why the file cannot be used, or None.
    """

    width: int = 0
    height: int = 0
    digest: str = ''
    problem: str | None = None


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
    except FileNotFoundError:
        return ImageFile(problem='missing')
    except OSError as error:
        return ImageFile(problem=f'cannot be read: {error.strerror}')
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            width, height = image.size
            if image.getexif().get(EXIF_ORIENTATION) in TRANSPOSED:
                width, height = height, width
    except Exception as error:  # each image format raises its own kinds
        return ImageFile(digest=digest, problem=f'cannot be decoded: {error}')
    if not cv2.haveImageReader(str(path)):
        return ImageFile(width, height, digest, 'is in a format that OpenCV does not read')
    return ImageFile(width, height, digest)
