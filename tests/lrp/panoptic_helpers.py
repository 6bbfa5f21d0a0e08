"""Writes sets of panoptic images, and makes random ones."""

import json
from pathlib import Path

import numpy as np

CATEGORIES = [
    dict(id=7, name='sky', isthing=0),
    dict(id=1, name='person', isthing=1),
    dict(id=2, name='car', isthing=1),
    dict(id=9, name='road', isthing=0),
]


def write_png(path, ids):
    """An RGB PNG with the colours of ids, shape (H, W)."""
    import cv2

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    bgr = np.stack([ids >> 16, ids >> 8 & 255, ids & 255], axis=-1).astype(np.uint8)
    assert cv2.imwrite(str(path), bgr)


def write_set(folder, images, categories=CATEGORIES):
    """Write ``gt.json``, ``dt.json`` and PNGs in ``gt`` and ``dt``.

    Args:
        folder (Path): Where to.
        images (list[tuple]): Ids of the ground truth, its segments, ids and segments of results.

    Returns:
        tuple[Path, Path]: The two JSON files.
    """
    contents = dict(gt=[], dt=[])
    for n, (truth_ids, truth, result_ids, results) in enumerate(images):
        for side, ids, segments in (('gt', truth_ids, truth), ('dt', result_ids, results)):
            write_png(folder / side / f'{n}.png', ids)
            contents[side].append(
                dict(image_id=n + 10, file_name=f'{n}.png', segments_info=segments)
            )
    files = folder / 'gt.json', folder / 'dt.json'
    files[0].write_text(json.dumps(dict(annotations=contents['gt'], categories=categories)))
    files[1].write_text(json.dumps(dict(annotations=contents['dt'][::-1])))
    return files


def random_image(rng, num_segments=7):
    """Rectangles on top of each other, with crowds, VOID, and an id without a segment."""
    height, width = rng.integers(3, 14, 2)
    category_ids = [category['id'] for category in CATEGORIES]
    ids = np.zeros((height, width), dtype=np.int64)
    names = rng.choice(2**24 - 1, num_segments + 1, replace=False) + 1
    paint(rng, ids, names)
    found, counts = np.unique(ids[(ids != 0) & (ids != names[-1])], return_counts=True)
    truth = [
        dict(
            id=i, category_id=int(rng.choice(category_ids)), area=n, iscrowd=int(rng.random() < 0.3)
        )
        for i, n in zip(found.tolist(), counts.tolist())
    ]
    if rng.random() < 0.3:  # a segment without pixels
        ids[ids == names[-1]] = 0
        truth.append(dict(id=int(names[-1]), category_id=1, area=3, iscrowd=0))

    predicted = ids.copy()
    if rng.random() < 0.8:
        paint(rng, predicted, np.append(rng.choice(2**24 - 1, 2, replace=False) + 1, 0))
    of_truth = {segment['id']: segment['category_id'] for segment in truth}
    results = [
        dict(
            id=i,
            category_id=of_truth[i]
            if i in of_truth and rng.random() < 0.8
            else int(rng.choice(category_ids)),
        )
        for i in np.unique(predicted[predicted != 0]).tolist()
    ]
    rng.shuffle(results)
    return ids, truth, predicted, results


def paint(rng, ids, names):
    height, width = ids.shape
    for name in names:
        top, left = rng.integers(0, height), rng.integers(0, width)
        h, w = rng.integers(1, height + 1), rng.integers(1, width + 1)
        ids[top : top + h, left : left + w] = name
