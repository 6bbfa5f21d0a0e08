"""Read and write videos frame by frame."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mmcv import VideoReader

DEFAULT_FPS = 25.0  # of a video without a valid frame rate


class Video:
    """The readable frames of a video, which may be fewer than its header says.

    Args:
        path (str | os.PathLike): Path of the file.

    Attributes:
        fps (float): Frames per second.
        expected (int): Number of frames according to the header; 0 if unknown.
        num_frames (int): Number of frames read so far.

    Raises:
        OSError: If the file is not a readable video.
    """

    def __init__(self, path: str | os.PathLike):
        reader = VideoReader(str(path))
        if not reader.opened:
            raise OSError('damaged file or unknown format')
        self._capture = reader.vcap
        known = math.isfinite(reader.fps) and reader.fps > 0
        self.fps = reader.fps if known else DEFAULT_FPS
        self.expected = max(reader.frame_cnt, 0)
        self.num_frames = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Read the frames (H, W, 3), uint8, BGR. Works once."""
        while True:
            # VideoReader would seek to each frame, which fails if time stamps have gaps.
            read, frame = self._capture.read()
            if not read:
                break
            self.num_frames += 1
            yield frame
        self._capture.release()


class VideoFile:
    """An MPEG-4 video that is written frame by frame and renamed when it is complete.

    Args:
        path (str | os.PathLike): Path of the file, ending with ``.mp4``. Folders are created.
        fps (float): Frames per second.
    """

    def __init__(self, path: str | os.PathLike, fps: float):
        self.path, self.fps = Path(path), fps
        self._partial = self.path.with_suffix('.partial.mp4')
        self._writer = None

    def add(self, frame: np.ndarray) -> None:
        """Write a frame (H, W, 3), uint8, BGR. All frames must have the same size.

        Raises:
            OSError: If the file cannot be written.
        """
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = frame.shape[1], frame.shape[0]
            codec = cv2.VideoWriter_fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(str(self._partial), codec, self.fps, size)
            if not self._writer.isOpened():
                raise OSError(f'OpenCV has no encoder for {self.path}')
        self._writer.write(frame)

    def __enter__(self) -> 'VideoFile':
        return self

    def __exit__(self, error_type, *_) -> None:
        """Finish the file. Without frames, or after an error, there is no file."""
        if self._writer is None:
            return
        self._writer.release()
        if error_type is None:
            self._partial.replace(self.path)
        else:  # Ctrl-C, a full disk
            self._partial.unlink(missing_ok=True)
