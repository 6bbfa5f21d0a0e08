"""Converts predictions of MMDetection to COCO-format results."""

from collections.abc import Sequence

import numpy as np


def coco_results(
    results: Sequence[dict], cat_ids: Sequence, classes: Sequence[str]
) -> dict[str, list[dict]]:
    """Convert predictions to COCO-format results.

    Args:
        results (Sequence[dict]): One per image: ``img_id``, ``bboxes`` (n, 4) as x1, y1, x2, y2 in
            pixels, ``scores`` (n,), ``labels`` (n,), and for masks ``masks``, n run lengths, with
            optional ``mask_scores`` (n,).
        cat_ids (Sequence): Category id of each label.
        classes (Sequence[str]): Names of the classes, for messages.

    Returns:
        dict[str, list[dict]]: Entries by ``bbox`` and, if there are masks, ``segm``.

    Raises:
        ValueError: If a label has no category.
    """
    entries = dict(bbox=[])
    if not results or any('masks' in result for result in results):
        entries['segm'] = []
    for i, result in enumerate(results):
        image_id = result.get('img_id', i)
        boxes = np.array(result['bboxes'], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] -= boxes[:, :2]
        boxes = boxes.tolist()
        categories = _categories_of(result['labels'], cat_ids, classes)
        scores = np.asarray(result['scores']).tolist()
        entries['bbox'] += [
            dict(image_id=image_id, bbox=bbox, score=score, category_id=category)
            for bbox, score, category in zip(boxes, scores, categories, strict=True)
        ]
        if 'segm' in entries:
            scores = np.asarray(result.get('mask_scores', scores)).tolist()
            masks = map(_as_text, result.get('masks', ()))
            entries['segm'] += [
                dict(
                    image_id=image_id,
                    bbox=bbox,
                    score=score,
                    category_id=category,
                    segmentation=mask,
                )
                for bbox, score, category, mask in zip(
                    boxes, scores, categories, masks, strict=True
                )
            ]
    return entries


def _categories_of(labels: np.ndarray, cat_ids: Sequence, classes: Sequence[str]) -> list:
    try:
        return [cat_ids[label] for label in np.asarray(labels).tolist()]
    except IndexError:
        raise ValueError(
            f'predictions have the label {max(labels)}, but the annotation file has only '
            f'{len(cat_ids)} of the classes {classes}. Check that num_classes of the model, '
            'metainfo.classes of the dataset and the annotation file agree'
        ) from None


def _as_text(mask: dict) -> dict:
    """Run lengths ready for JSON."""
    counts = mask['counts']
    return dict(mask, counts=counts.decode()) if isinstance(counts, bytes) else mask
