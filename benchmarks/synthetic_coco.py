"""Synthetic ground truth and detections with the frequencies of COCO."""

import numpy as np

WIDTH, HEIGHT = 640, 480


def make_set(num_images, num_detections, num_objects, num_classes, arrays=False, seed=0):
    """Synthetic ground truth and results as parsed JSON, similar to COCO's; or results as arrays.

    A few classes are frequent and most are rare; an image has objects of few classes. Half of the
    detections are near an object, several near the same one, and closer ones have higher scores.
    The others are anywhere, half of them of a class that the image has. One object in 100 is a
    crowd.
    """
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, num_classes + 1)
    frequency /= frequency.sum()
    classes_of_image = rng.choice(num_classes, (num_images, 3), p=frequency) + 1

    def random_boxes(count):
        size = np.exp(rng.uniform(np.log(8), np.log(320), (count, 2)))
        corner = rng.uniform(0, 1, (count, 2)) * np.maximum([WIDTH, HEIGHT] - size, 1)
        return np.concatenate([corner, size], axis=1)

    image = rng.integers(0, num_images, num_objects)
    category = classes_of_image[image, rng.integers(0, 3, num_objects)]
    boxes = random_boxes(num_objects)
    crowd = rng.uniform(size=num_objects) < 0.01

    near = rng.integers(0, num_objects, num_detections // 2)
    noise = rng.gamma(1.5, 0.06, len(near))
    size = boxes[near][:, [2, 3, 2, 3]]
    near_boxes = boxes[near] + size * noise[:, None] * rng.normal(size=(len(near), 4))
    near_boxes[:, 2:] = np.maximum(near_boxes[:, 2:], 1)
    rest = num_detections - len(near)
    rest_image = rng.integers(0, num_images, rest)
    rest_category = np.where(
        rng.uniform(size=rest) < 0.5,
        classes_of_image[rest_image, rng.integers(0, 3, rest)],
        rng.integers(1, num_classes + 1, rest),
    )
    detected = np.concatenate([image[near], rest_image])
    order = np.argsort(detected, kind='stable')
    score = np.concatenate([rng.beta(2, 2, len(near)) * np.exp(-2 * noise), rng.beta(1, 9, rest)])
    results = dict(
        image_id=detected[order] + 1,
        category_id=np.concatenate([category[near], rest_category])[order],
        bbox=np.concatenate([near_boxes, random_boxes(rest)])[order].round(2),
        score=score[order],
    )
    if not arrays:
        columns = (values.tolist() for values in results.values())
        results = [dict(zip(results, values)) for values in zip(*columns)]
    columns = image.tolist(), category.tolist(), boxes.round(2).tolist(), crowd.tolist()
    ground_truth = dict(
        images=[
            dict(id=i + 1, width=WIDTH, height=HEIGHT, file_name=f'{i}.jpg')
            for i in range(num_images)
        ],
        categories=[dict(id=c + 1, name=f'class {c + 1}') for c in range(num_classes)],
        annotations=[
            dict(id=n, image_id=i + 1, category_id=c, bbox=b, area=b[2] * b[3], iscrowd=int(w))
            for n, (i, c, b, w) in enumerate(zip(*columns), 1)
        ],
    )
    return ground_truth, results
