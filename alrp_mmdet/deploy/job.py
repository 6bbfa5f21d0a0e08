"""Detect in images and videos, and draw the detections."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import mmcv

from ..fonts import use_fonts_for
from .detector import Detector, read_image
from .inputs import is_video
from .results import ImageDetections
from .video import Video, VideoFile

PICTURE_EXTENSIONS = ('.jpg', '.jpeg', '.png')


def drawing_path(out: Path, name: str) -> Path:
    """Path of the image or video with drawn detections.

    Args:
        out (Path): Folder of all results.
        name (str): Name of the input, from ``relative_names``. A second extension is appended if
            OpenCV may not be able to write the first, such as PGM in colour.
    """
    known, default = (('.mp4',), '.mp4') if is_video(Path(name)) else (PICTURE_EXTENSIONS, '.png')
    return out / 'drawn' / (name if Path(name).suffix.lower() in known else name + default)


class InferenceJob:
    """Runs a detector on images and videos and collects the detections.

    Args:
        detector (Detector): The detector.
        out (Path, optional): Folder of all results; None to draw nothing.
        ids (Iterator[int]): Ids of images and frames, in order.
        batch_size (int): Number of images or frames per batch.
        on_step (Callable): Called after each image or frame with the name of its progress bar and
            the total number of images or frames, None if unknown.

    Attributes:
        detections (list[ImageDetections]): One entry per image and frame, in order.
        videos (list[dict]): Name, frame rate and number of frames of each video.
        problems (list[str]): Inputs that could not be read, with the reason.
        warnings (list[str]): Inputs that were read only partly.
    """

    def __init__(
        self,
        detector: Detector,
        out: Path | None,
        ids: Iterator[int],
        batch_size: int,
        on_step: Callable[[str, int | None], None],
    ):
        self.detector, self.out, self.ids = detector, out, ids
        self.batch_size, self.on_step = batch_size, on_step
        self.detections: list[ImageDetections] = []
        self.videos: list[dict] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []
        if out is not None:
            use_fonts_for(detector.classes)

    def images(self, images: dict[str, Path]) -> None:
        """Detect in images, given by name. Unreadable images are skipped and listed in problems."""
        for batch in _batched(self._load(images), self.batch_size):
            samples = self.detector.detect([data for *_, data in batch])
            for (name, img_id, _), sample in zip(batch, samples):
                self.detections.append(ImageDetections.from_sample(sample, name, None, img_id))
                if self.out is not None:
                    drawn = self.detector.draw(read_image(images[name]), sample)
                    mmcv.imwrite(drawn, str(drawing_path(self.out, name)))
                self.on_step('images', len(images))

    def _load(self, images: dict[str, Path]) -> Iterator[tuple[str, int, dict]]:
        for name, path in images.items():
            img_id = next(self.ids)  # skipped images use up an id too
            try:
                yield name, img_id, self.detector.load(str(path))
            except OSError as error:
                self.problems.append(f'cannot read {path}: {error}')

    def video(self, name: str, path: Path) -> None:
        """Detect in all readable frames of a video."""
        try:
            video = Video(path)
        except OSError as error:
            self.problems.append(f'cannot read {path}: {error}')
            return
        drawing = contextlib.nullcontext()
        if self.out is not None:
            drawing = VideoFile(drawing_path(self.out, name), video.fps)
        frames = ((i, frame, self.detector.load(frame)) for i, frame in enumerate(video))
        with drawing as file:
            for batch in _batched(frames, self.batch_size):
                samples = self.detector.detect([data for *_, data in batch])
                for (i, frame, _), sample in zip(batch, samples):
                    img_id = next(self.ids)
                    self.detections.append(ImageDetections.from_sample(sample, name, i, img_id))
                    if file is not None:
                        file.add(self.detector.draw(frame, sample))
                    self.on_step(name, video.expected or None)
        if video.num_frames == 0:
            self.problems.append(f'cannot read {path}: it has no frames')
            return
        self.videos.append(dict(file_name=name, fps=video.fps, num_frames=video.num_frames))
        if video.num_frames < video.expected:
            self.warnings.append(
                f'only {video.num_frames} of {video.expected} frames of {path} could be read'
            )


def _batched(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
