"""The sigmas of keypoints: how far apart people place the same keypoint.

A sigma is the standard deviation of a keypoint's place, relative to the square root of the object's
area. Sources: pycocotools for COCO, the CrowdPose API for CrowdPose.
"""

from collections import Counter
from collections.abc import Sequence
from math import inf
from numbers import Real

_LIMBS = 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89
_FACE = 0.26, 0.25, 0.25, 0.35, 0.35
_HEAD_AND_NECK = 0.79, 0.79
KNOWN = {  # by number of keypoints; divided by 10 as in the sources, for the same floats
    17: ('COCO', tuple(tenths / 10 for tenths in (*_FACE, *_LIMBS))),
    14: ('CrowdPose', tuple(tenths / 10 for tenths in (*_LIMBS, *_HEAD_AND_NECK))),
}
_BODY = [part for part in ['shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'] for _ in range(2)]
PARTS = {  # what the names of these keypoints contain
    17: ['nose', 'eye', 'eye', 'ear', 'ear', *_BODY],
    14: [*_BODY, 'head', 'neck'],
}


def find_sigmas(ground_truth: object, sigmas: Sequence[float] | None) -> tuple[float, ...]:
    """The sigmas of the keypoints of a ground truth.

    Args:
        ground_truth (object): Parsed content of an annotation file, which need not be valid.
        sigmas (Sequence[float], optional): Positive numbers, one per keypoint, or None for known
            ones.

    Returns:
        tuple[float, ...]: One number per keypoint.

    Raises:
        ValueError: If a sigma is not a positive number, or if none are known for this number of
            keypoints.
    """
    if sigmas is not None:
        values = list(sigmas)
        if not values or not all(_is_positive(value) for value in values):
            raise ValueError(f'sigmas must be positive numbers, one per keypoint, got {sigmas!r}')
        count = number_of_keypoints(ground_truth, default=len(values))
        if count != len(values):
            raise ValueError(
                f'the ground truth has {count} keypoints per object, but there are {len(values)} '
                'sigmas'
            )
        return tuple(map(float, values))
    count = number_of_keypoints(ground_truth)
    if count not in KNOWN:
        known = ' and '.join(f'{number} ({name})' for number, (name, _) in KNOWN.items())
        raise ValueError(
            f'the ground truth has {count} keypoints per object. Sigmas are known for {known} '
            f'keypoints only: give {count} sigmas'
        )
    return KNOWN[count][1]


def names_problem(ground_truth: object) -> str | None:
    """A sentence if the names of the keypoints do not match the known sigmas."""
    categories = ground_truth.get('categories') if isinstance(ground_truth, dict) else None
    for category in categories if isinstance(categories, list | tuple) else ():
        names = category.get('keypoints') if isinstance(category, dict) else None
        if not isinstance(names, list | tuple) or len(names) not in PARTS:
            continue
        for k, (name, part) in enumerate(zip(names, PARTS[len(names)])):
            if part not in str(name).lower():
                return (
                    f'the sigmas of {KNOWN[len(names)][0]} are used for {len(names)} keypoints, '
                    f'but keypoint {k} (counted from 0) is called {name!r}, not {part!r}: give '
                    'sigmas if these are other keypoints'
                )
    return None


def number_of_keypoints(ground_truth: object, default: int = 17) -> int:
    """Keypoints of an object: most annotations have this number. The default without any."""
    content = ground_truth if isinstance(ground_truth, dict) else {}
    for key, numbers in (('annotations', 3), ('categories', 1)):
        entries = content.get(key)
        lists = [
            entry['keypoints']
            for entry in (entries if isinstance(entries, list | tuple) else ())
            if isinstance(entry, dict) and hasattr(entry.get('keypoints'), '__len__')
        ]
        found = Counter(len(values) // numbers for values in lists if len(values))
        if found:
            return found.most_common(1)[0][0]
    return default


def _is_positive(value: object) -> bool:
    return isinstance(value, Real) and 0 < float(value) < inf
