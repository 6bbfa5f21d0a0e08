"""Image files as MMDetection will read them."""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

ROTATED = 5, 6, 7, 8  # EXIF orientations that swap width and height
ORIENTATION = 0x0112


@dataclass(frozen=True)
class ImageFile:
    """What is in a file.

    Attributes:
        width (int): Pixels, after the rotation that its EXIF data ask for; 0 if it does not open.
        height (int): Likewise.
        digest (str): Equal for files with the same content.
        problem (str | None): Why it cannot be used.
    """

    width: int = 0
    height: int = 0
    digest: str = ''
    problem: str | None = None


def inspect_images(
    paths: Iterable[Path], on_image: Callable[[], None] = lambda: None
) -> dict[Path, ImageFile]:
    """Open every image to its end: a truncated one would be trained on half grey.

    Args:
        paths (Iterable[Path]): The files; the same one may come several times.
        on_image (Callable): Called after each.

    Returns:
        dict[Path, ImageFile]: By path.
    """

    def inspect(path: Path) -> ImageFile:
        found = _inspect(path)
        on_image()
        return found

    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow's, on metadata and large images
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
            if image.getexif().get(ORIENTATION) in ROTATED:
                width, height = height, width
    except Exception as error:  # of many kinds, by the many formats
        return ImageFile(digest=digest, problem=f'does not open: {error}')
    if not cv2.haveImageReader(str(path)):
        return ImageFile(width, height, digest, 'OpenCV does not read this format')
    return ImageFile(width, height, digest)
