"""Detection in images and videos, one after the other, with a picture of each."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import mmcv

from .detector import Detector, read_image
from .inputs import is_video
from .results import Found, found_in
from .video import Video, VideoFile

PICTURES = ('.jpg', '.jpeg', '.png')


def drawn_to(out: Path, name: str) -> Path:
    """Where the picture or video with detections goes.

    Args:
        out (Path): Folder of all results.
        name (str): Name of the input, see ``names_of``. What OpenCV does not write under its
            extension, such as a PGM in colour, gets another one behind it.
    """
    kinds, kind = (('.mp4',), '.mp4') if is_video(Path(name)) else (PICTURES, '.png')
    return out / 'drawn' / (name if Path(name).suffix.lower() in kinds else name + kind)


class Job:
    """Detects, draws, and keeps what was found.

    Args:
        detector (Detector): What detects.
        out (Path, optional): Folder of all results; None to draw nothing.
        ids (Iterator[int]): Ids of images and frames, one for each.
        batch_size (int): How many are detected in at a time.
        on_step (Callable): Is called with the name of an input and how many images, or frames, it
            has, whenever one of them is done; None for a video that does not say.

    Attributes:
        found (list[Found]): One for each image and frame, in order.
        videos (list[dict]): Name, frame rate and number of frames of each video.
        problems (list[str]): What could not be read, and why.
        warnings (list[str]): What was read in part.
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
        self.found: list[Found] = []
        self.videos: list[dict] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def images(self, images: dict[str, Path]) -> None:
        """Detect in images, by their names. One that does not open is left out and named."""
        for batch in _batched(self._load(images), self.batch_size):
            samples = self.detector.detect([data for *_, data in batch])
            for (name, img_id, _), sample in zip(batch, samples):
                self.found.append(found_in(sample, name, None, img_id))
                if self.out is not None:
                    drawn = self.detector.draw(read_image(images[name]), sample)
                    mmcv.imwrite(drawn, str(drawn_to(self.out, name)))
                self.on_step('images', len(images))

    def _load(self, images: dict[str, Path]) -> Iterator[tuple[str, int, dict]]:
        for name, path in images.items():
            img_id = next(self.ids)  # also of one that is left out: ids are places
            try:
                yield name, img_id, self.detector.load(str(path))
            except OSError as error:
                self.problems.append(f'{path} cannot be read: {error}')

    def video(self, name: str, path: Path) -> None:
        """Detect in a video, as far as it can be read."""
        try:
            video = Video(path)
        except OSError as error:
            self.problems.append(f'{path} cannot be read: {error}')
            return
        file = None if self.out is None else VideoFile(drawn_to(self.out, name), video.fps)
        frames = ((i, frame, self.detector.load(frame)) for i, frame in enumerate(video))
        for batch in _batched(frames, self.batch_size):
            samples = self.detector.detect([data for *_, data in batch])
            for (i, frame, _), sample in zip(batch, samples):
                self.found.append(found_in(sample, name, i, next(self.ids)))
                if file is not None:
                    file.add(self.detector.draw(frame, sample))
                self.on_step(name, video.expected or None)
        if file is not None:
            file.close()
        if video.num_frames == 0:
            self.problems.append(f'{path} cannot be read: it has no frames')
            return
        self.videos.append(dict(file_name=name, fps=video.fps, num_frames=video.num_frames))
        if video.num_frames < video.expected:
            self.warnings.append(
                f'{path} ends after {video.num_frames} of {video.expected} frames: the results '
                'are of those'
            )


def _batched(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
