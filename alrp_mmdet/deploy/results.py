"""Write detections in COCO format or as CSV."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.structures import DetDataSample
from mmdet.structures.mask import encode_mask_results

from ..evaluation.coco_results import coco_results

COLUMNS = 'file', 'class', 'score', 'x1', 'y1', 'x2', 'y2', 'frame'


@dataclass(frozen=True)
class ImageDetections:
    """The n detections in an image or video frame.

    Attributes:
        file (str): Name of the image or video.
        frame (int | None): Frame number, starting at 0; None for an image.
        img_id (int): Id of the image or frame.
        size (tuple[int, int]): Width and height in pixels.
        bboxes (np.ndarray): Shape (n, 4), float32, x1, y1, x2, y2 in pixels.
        scores (np.ndarray): Shape (n,), float32.
        labels (np.ndarray): Shape (n,), integers.
        masks (list[dict] | None): n compressed run lengths, as pycocotools writes them; None for a
            detector of boxes.
    """

    file: str
    frame: int | None
    img_id: int
    size: tuple[int, int]
    bboxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: list[dict] | None = None

    @classmethod
    def from_sample(
        cls, sample: DetDataSample, file: str, frame: int | None, img_id: int
    ) -> 'ImageDetections':
        """Convert the predictions of a detector to NumPy."""
        instances = sample.pred_instances.cpu().numpy()
        height, width = sample.ori_shape[:2]
        fields = instances.bboxes, instances.scores, instances.labels
        masks = encode_mask_results(instances.masks) if 'masks' in instances else None
        return cls(file, frame, img_id, (int(width), int(height)), *fields, masks)


def detections_json(
    detections: Sequence[ImageDetections], cat_ids: Sequence[int], classes: Sequence[str]
) -> str:
    """COCO results: boxes as x, y, width, height in pixels of the original image, and any masks."""
    fields = [
        {key: value for key, value in vars(d).items() if value is not None} for d in detections
    ]
    entries = coco_results(fields, cat_ids, classes)
    return json.dumps(entries['segm'] if entries.get('segm') else entries['bbox']) + '\n'


def detections_csv(detections: Sequence[ImageDetections], classes: Sequence[str]) -> str:
    """One line per detection; ``frame`` is empty for an image."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for d in detections:
        for box, score, label in zip(d.bboxes.tolist(), d.scores.tolist(), d.labels.tolist()):
            writer.writerow([d.file, classes[label], score, *box, d.frame])
    return text.getvalue()


def images_json(
    detections: Sequence[ImageDetections],
    videos: Sequence[dict],
    cat_ids: Sequence[int],
    classes: Sequence[str],
) -> str:
    """COCO's ``images`` and ``categories`` for the ids in the results, and ``videos``.

    A video frame is an image with a ``frame`` number.
    """
    images = []
    for d in detections:
        width, height = d.size
        image = dict(id=d.img_id, file_name=d.file, width=width, height=height)
        images.append(image if d.frame is None else dict(image, frame=d.frame))
    categories = [dict(id=i, name=name) for i, name in zip(cat_ids, classes)]
    content = dict(images=images, categories=categories)
    return json.dumps(dict(content, videos=list(videos)) if videos else content) + '\n'
