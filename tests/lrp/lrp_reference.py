"""Matching and LRP by definition: one detection at a time, from scratch for each set.

Shares neither code nor ideas with the package.
"""

import math

AREAS = dict(all=(0, 1e10), small=(0, 1024), medium=(1024, 9216), large=(9216, 1e10))


def box_iou(box, other, crowd):
    """Intersection over union; over the first box alone if the second one is a crowd."""
    x, y, w, h = box
    other_x, other_y, other_w, other_h = other
    width = min(x + w, other_x + other_w) - max(x, other_x)
    height = min(y + h, other_y + other_h) - max(y, other_y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (w * h if crowd else w * h + other_w * other_h - shared)


def ranked(results, category, max_dets):
    """The detections of a category, best first, at most ``max_dets`` per image."""
    taken = {}
    kept = []
    of_category = [r for r in results if r['category_id'] == category]
    for result in sorted(of_category, key=lambda r: (-r['score'], r['image_id'])):  # is stable
        taken[result['image_id']] = taken.get(result['image_id'], 0) + 1
        if taken[result['image_id']] <= max_dets:
            kept.append(result)
    return kept


def outcomes(detections, objects, area, threshold):
    """For each detection, best first: 'ignored', 'fp' or the IoU of a true positive.

    ``objects`` are the objects of the category in all images. Also returns how many of them count.
    """
    low, high = AREAS[area]
    ignored = [bool(o['iscrowd']) or not low <= o['area'] <= high for o in objects]
    free = [True] * len(objects)
    found = []
    for detection in detections:
        best = None
        for wants_ignored in (False, True):
            best_iou = threshold
            for i, o in enumerate(objects):
                if o['image_id'] != detection['image_id'] or ignored[i] != wants_ignored:
                    continue
                iou = box_iou(detection['bbox'], o['bbox'], o['iscrowd'])
                if (free[i] or o['iscrowd']) and iou >= best_iou:
                    best, best_iou = i, iou
            if best is not None:
                break
        if best is not None:
            free[best] = False
            found.append('ignored' if ignored[best] else best_iou)
        else:
            in_range = low <= detection['bbox'][2] * detection['bbox'][3] <= high
            found.append('fp' if in_range else 'ignored')
    return found, ignored.count(False)


def lrp(found, num_objects, tau=0.5):
    """LRP error and its three components, NaN for a mean of nothing."""
    ious = [x for x in found if isinstance(x, float)]
    num_fp = found.count('fp')
    num_fn = num_objects - len(ious)
    loc = math.fsum(1 - iou for iou in ious)
    return (
        _ratio(loc / (1 - tau) + num_fp + num_fn, len(ious) + num_fp + num_fn),
        _ratio(loc, len(ious)),
        _ratio(num_fp, len(ious) + num_fp),
        _ratio(num_fn, num_objects),
    )


def optimal_lrp(detections, objects, area, tau=0.5):
    """Lowest LRP error over the number of detections kept, best first, by trying every number.

    Returns the error, and for every number that reaches it: the components and the last score.
    """
    num_objects = outcomes([], objects, area, tau)[1]
    if num_objects == 0:
        return -1, []
    tried = []
    for count in range(1, len(detections) + 1):
        found, _ = outcomes(detections[:count], objects, area, tau)
        if any(isinstance(x, float) for x in found):
            tried.append((*lrp(found, num_objects, tau), detections[count - 1]['score']))
    if not tried:
        return 1, []
    least = min(error for error, *_ in tried)
    return least, [rest for error, *rest in tried if error < least + 1e-12]


def _ratio(a, b):
    return a / b if b else math.nan
