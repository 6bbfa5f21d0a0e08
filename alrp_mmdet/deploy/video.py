"""Videos, frame by frame."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mmcv import VideoReader

FRAME_RATE = 25.0  # of a video that does not say its own


class Video:
    """The frames of a video that can be read, of which there may be fewer than it says it has.

    Args:
        path (str | os.PathLike): Its file.

    Attributes:
        fps (float): Frames in a second.
        expected (int): How many frames it says it has; 0 if it does not say.
        num_frames (int): How many were read so far.

    Raises:
        OSError: If it is not a readable video.
    """

    def __init__(self, path: str | os.PathLike):
        reader = VideoReader(str(path))
        if not reader.opened:
            raise OSError('it is damaged, or of an unknown format')
        self._capture = reader.vcap
        known = math.isfinite(reader.fps) and reader.fps > 0
        self.fps = reader.fps if known else FRAME_RATE
        self.expected = max(reader.frame_cnt, 0)
        self.num_frames = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames (H, W, 3), uint8, BGR. Can be gone through once."""
        while True:
            # Not by the reader, which looks for a frame anew where a video's times have gaps.
            read, frame = self._capture.read()
            if not read:
                break
            self.num_frames += 1
            yield frame
        self._capture.release()


class VideoFile:
    """An MPEG-4 video that is written frame by frame, and has its name when it is whole.

    Args:
        path (str | os.PathLike): Its place, ending with ``.mp4``. Folders are made.
        fps (float): Frames in a second.
    """

    def __init__(self, path: str | os.PathLike, fps: float):
        self.path, self.fps = Path(path), fps
        self._partial = self.path.with_suffix('.partial.mp4')
        self._writer = None

    def add(self, frame: np.ndarray) -> None:
        """Write a frame (H, W, 3), uint8, BGR, all of them of one size.

        Raises:
            OSError: If the file cannot be written.
        """
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = frame.shape[1], frame.shape[0]
            codec = cv2.VideoWriter_fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(str(self._partial), codec, self.fps, size)
            if not self._writer.isOpened():
                raise OSError(f'{self.path} cannot be written: OpenCV has no encoder for it')
        self._writer.write(frame)

    def close(self) -> None:
        """End the file. Nothing if it has no frame."""
        if self._writer is not None:
            self._writer.release()
            self._partial.replace(self.path)
