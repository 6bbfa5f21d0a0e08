"""Detections in files, in COCO format or as a table."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.structures import DetDataSample

from ..evaluation.coco_results import coco_results

COLUMNS = 'file', 'class', 'score', 'x1', 'y1', 'x2', 'y2', 'frame'


@dataclass(frozen=True)
class Found:
    """The n detections in an image or in a frame of a video.

    Attributes:
        file (str): Name of the image or video.
        frame (int | None): Number of the frame, from 0; None for an image.
        img_id (int): Id of the image, or of the frame.
        size (tuple[int, int]): Width and height in pixels.
        bboxes (np.ndarray): Shape (n, 4), float32, x1, y1, x2, y2 in pixels.
        scores (np.ndarray): Shape (n,), float32.
        labels (np.ndarray): Shape (n,), integers.
    """

    file: str
    frame: int | None
    img_id: int
    size: tuple[int, int]
    bboxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def found_in(sample: DetDataSample, file: str, frame: int | None, img_id: int) -> Found:
    """What a detector predicted, without its tensors."""
    instances = sample.pred_instances.cpu().numpy()
    height, width = sample.ori_shape[:2]
    fields = instances.bboxes, instances.scores, instances.labels
    return Found(file, frame, img_id, (int(width), int(height)), *fields)


def detections_json(found: Sequence[Found], cat_ids: Sequence[int], classes: Sequence[str]) -> str:
    """Detections as COCO format has them, x, y, width, height in pixels of the original image."""
    return json.dumps(coco_results([vars(f) for f in found], cat_ids, classes)['bbox']) + '\n'


def detections_csv(found: Sequence[Found], classes: Sequence[str]) -> str:
    """One line for each detection; ``frame`` is empty for an image."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for f in found:
        for box, score, label in zip(f.bboxes.tolist(), f.scores.tolist(), f.labels.tolist()):
            writer.writerow([f.file, classes[label], score, *box, f.frame])
    return text.getvalue()


def images_json(
    found: Sequence[Found], videos: Sequence[dict], cat_ids: Sequence[int], classes: Sequence[str]
) -> str:
    """What the ids in COCO format mean: its images and categories, and the videos.

    Frames are images with a ``frame`` number.
    """
    images = []
    for f in found:
        width, height = f.size
        image = dict(id=f.img_id, file_name=f.file, width=width, height=height)
        images.append(image if f.frame is None else dict(image, frame=f.frame))
    categories = [dict(id=i, name=name) for i, name in zip(cat_ids, classes)]
    content = dict(images=images, categories=categories)
    return json.dumps(dict(content, videos=list(videos)) if videos else content) + '\n'
