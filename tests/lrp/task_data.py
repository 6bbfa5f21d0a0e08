"""Small random ground truth and results for keypoints and LVIS, with many ties and edge cases."""

import numpy as np

IMAGE_IDS = [12, 3, 7]  # not in order
WIDTH, HEIGHT = 128, 96
AREAS = [400.5, 1024.0, 2000.0, 9216.0, 12000.0]  # two of them in two ranges


def make_images():
    return [dict(id=i, width=WIDTH, height=HEIGHT, file_name=f'{i}.jpg') for i in IMAGE_IDS]


def keypoint_data(seed, num_objects=12, num_detections=40, num_keypoints=17, num_scores=5):
    """Persons without joints, crowds, persons twice at the same place, scores with ties."""
    rng = np.random.default_rng(seed)
    annotations = []
    for i in range(num_objects):
        joints = np.zeros((num_keypoints, 3))
        joints[:, :2] = rng.integers(0, 90, (num_keypoints, 2))
        joints[:, 2] = rng.integers(0, 3, num_keypoints) * (rng.uniform() < 0.85)
        x, y, w, h = (float(v) for v in (*rng.integers(0, 30, 2), *rng.integers(30, 90, 2)))
        entry = dict(
            image_id=int(rng.choice(IMAGE_IDS)),
            category_id=int(rng.choice([5, 2])),
            keypoints=joints.ravel().tolist(),
            bbox=[x, y, w, h],
        )
        if annotations and rng.uniform() < 0.2:
            entry = {key: annotations[-1][key] for key in entry}
        labelled = sum(v > 0 for v in entry['keypoints'][2::3])
        annotations.append(
            dict(
                entry,
                id=i + 1,
                area=float(rng.choice(AREAS)),
                iscrowd=int(rng.uniform() < 0.15),
                # Usually the number of labelled ones, but the field decides.
                num_keypoints=int(rng.choice([labelled, labelled, labelled, 0, 3])),
                ignore=int(rng.integers(0, 2)),
            )
        )
    results = []
    for _ in range(num_detections):
        near = annotations[rng.integers(len(annotations))]
        joints = np.array(near['keypoints']).reshape(-1, 3)
        joints[:, :2] += rng.normal(0, rng.choice([0.0, 4.0, 12.0, 60.0]), joints[:, :2].shape)
        joints[:, 2] = rng.uniform(size=num_keypoints).round(2)
        bbox = [*map(float, rng.integers(0, 20, 2)), *rng.choice([20.0, 32.0, 96.0], 2).tolist()]
        results.append(
            dict(
                image_id=near['image_id'],
                category_id=near['category_id'],
                keypoints=joints.ravel().tolist(),
                bbox=bbox,
                score=float(rng.integers(0, num_scores) / num_scores),
            )
        )
    categories = [dict(id=5, name='kind 5'), dict(id=2, name='kind 2')]
    return dict(images=make_images(), categories=categories, annotations=annotations), results


def lvis_data(seed, num_objects=20, num_detections=60, num_scores=8):
    """All kinds of federated lists, unknown classes, and objects and detections without area."""
    rng = np.random.default_rng(seed)
    categories = [
        dict(id=i, name=f'kind {i}', frequency=f) for i, f in zip((9, 4, 6, 2, 11), 'crffc')
    ]
    ids = [c['id'] for c in categories]
    images = make_images()
    for image in images:
        for key in ('neg_category_ids', 'not_exhaustive_category_ids'):
            image[key] = rng.choice([*ids, 99], rng.integers(0, 4), replace=False).tolist()

    def box():
        return [*map(float, rng.integers(0, 40, 2)), *map(float, rng.integers(1, 8, 2) * 12)]

    annotations = []
    for i in range(num_objects):
        bbox = box()
        area = float(rng.choice([bbox[2] * bbox[3], *AREAS, 0.0]))
        entry = dict(
            id=i + 1,
            image_id=int(rng.choice(IMAGE_IDS)),
            category_id=int(rng.choice(ids)),
            bbox=bbox,
            area=area,
        )
        if rng.uniform() < 0.2:
            entry['ignore'] = int(rng.integers(0, 2))
        if rng.uniform() < 0.2:
            entry['iscrowd'] = 1
        annotations.append(entry)
    results = []
    for _ in range(num_detections):
        near = annotations[rng.integers(len(annotations))]
        image, category = near['image_id'], near['category_id']
        bbox = (np.array(near['bbox']) + rng.integers(-2, 3, 4) * rng.choice([0, 1, 3])).tolist()
        if rng.uniform() < 0.3:
            image, category = int(rng.choice(IMAGE_IDS)), int(rng.choice([*ids, 77]))
        if rng.uniform() < 0.1:
            bbox[2] = 0.0
        score = float(rng.integers(0, num_scores) / num_scores)
        results.append(dict(image_id=image, category_id=category, bbox=bbox, score=score))
    return dict(images=images, categories=categories, annotations=annotations), results
