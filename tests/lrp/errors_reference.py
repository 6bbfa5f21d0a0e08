"""Types of errors, their parts of oLRP and their cost in AP, one object at a time.

Written from the TIDE paper (Bolya et al., ECCV 2020) and from the definition of LRP. Shares neither
code nor ideas with the package, apart from the matching by definition in ``lrp_reference``.
"""

import numpy as np
from lrp_reference import box_iou, ranked

T_F, T_B = 0.5, 0.1
LARGEST = 1e10


def analyze(ground_truth, results, max_dets=100):
    """All detections, best first, as dicts with ``outcome``, ``object`` and ``type``."""
    objects = [dict(a) for a in ground_truth['annotations']]
    for o in objects:
        o['counts'] = not o['iscrowd'] and 0 <= o['area'] <= LARGEST
        o['by'] = None
    categories = sorted(c['id'] for c in ground_truth['categories'])
    found = []
    for category in categories:
        for detection in ranked(results, category, max_dets):
            found.append(_match(dict(detection), objects))
    for detection in found:
        if detection['outcome'] == 'fp':
            detection['type'], detection['object'] = _type(detection, objects)
    return found, objects, categories


def _match(detection, objects):
    best = None
    for wants_ignored in (False, True):
        best_iou = T_F
        for o in objects:
            if o['image_id'] != detection['image_id'] or o['counts'] == wants_ignored:
                continue
            if o['category_id'] != detection['category_id'] or (o['by'] and not o['iscrowd']):
                continue
            iou = box_iou(detection['bbox'], o['bbox'], o['iscrowd'])
            if iou >= best_iou:
                best, best_iou = o, iou
        if best is not None:
            break
    detection.update(outcome='fp', object=None, type=None, iou=0)
    if best is not None and best['counts']:
        best['by'] = detection
        detection.update(outcome='tp', object=best, iou=best_iou)
    elif best is not None or not detection['bbox'][2] * detection['bbox'][3] <= LARGEST:
        detection['outcome'] = 'ignored'
    return detection


def _type(detection, objects):
    near = [o for o in objects if o['image_id'] == detection['image_id'] and o['counts']]
    same = [o for o in near if o['category_id'] == detection['category_id']]
    others = [o for o in near if o['category_id'] != detection['category_id']]

    def closest(some):
        ious = [box_iou(detection['bbox'], o['bbox'], False) for o in some]
        return (max(ious), some[ious.index(max(ious))]) if ious else (0, None)

    (right, right_object), (wrong, wrong_object) = closest(same), closest(others)
    if T_B <= right <= T_F:
        return 'Loc', right_object
    if wrong >= T_F:
        return 'Cls', wrong_object
    if right > T_F:
        return 'Dupe', right_object
    return ('Bkg' if max(right, wrong) <= T_B else 'Both'), None


def claimed(found, objects):
    """For each object without a true positive, by id, the best error about it among ``found``."""
    matched = {d['object']['id'] for d in found if d['outcome'] == 'tp'}
    best = {}
    for d in found:
        if d['type'] in ('Cls', 'Loc') and d['object']['id'] not in matched:
            known = best.get(d['object']['id'])
            if known is None or known['score'] < d['score']:
                best[d['object']['id']] = d
    missed = [o for o in objects if o['counts'] and o['id'] not in matched and o['id'] not in best]
    return best, missed


def ap_gains(found, objects, categories):
    """For each type, AP at an IoU of 0.5 with its errors fixed, minus AP, at least 0."""
    best, missed = claimed(found, objects)
    counted = [d for d in found if d['outcome'] != 'ignored']
    num_objects = {
        k: sum(o['counts'] for o in objects if o['category_id'] == k) for k in categories
    }

    def points(fixed=None):
        listed = []
        for d in counted:
            category, hit = d['category_id'], d['outcome'] == 'tp'
            if d['type'] == fixed is not None:
                if fixed not in ('Cls', 'Loc') or best.get(d['object']['id']) is not d:
                    continue
                category, hit = d['object']['category_id'], True
            listed.append((category, d['score'], hit))
        return listed

    def mean(listed, left=num_objects):
        values = []
        for k in categories:
            mine = [(score, hit) for category, score, hit in listed if category == k]
            if num_objects[k] and (mine or left[k]):
                values.append(_average_precision(mine, left[k]))
        return np.mean(values)

    gains = {t: mean(points(t)) for t in ('Cls', 'Loc', 'Both', 'Dupe', 'Bkg')}
    left = {k: n - sum(o['category_id'] == k for o in missed) for k, n in num_objects.items()}
    gains['Miss'] = mean(points(), left)
    gains['FalsePos'] = mean([(k, float(hit), hit) for k, _, hit in points()])
    hits = {k: sum(hit for c, _, hit in points() if c == k) for k in categories}
    gains['FalseNeg'] = mean(points(), hits)
    return {name: max(value - mean(points()), 0) for name, value in gains.items()}


def _average_precision(points, num_objects):
    if num_objects == 0:
        return 0
    curve, tp = [], 0
    for i, (_, hit) in enumerate(sorted(points, key=lambda point: -point[0])):
        tp += hit
        curve.append((tp / num_objects, tp / (i + 1)))
    recalls = np.linspace(0, 1, 101)
    return np.mean([max((p for r, p in curve if r >= recall), default=0) for recall in recalls])


def parts_of_lrp(found, objects, category, threshold):
    """The parts of the LRP error of a class, and the number of detections from a threshold on."""
    kept = [d for d in found if d['score'] >= threshold.get(d['category_id'], np.inf)]
    best, _ = claimed(kept, objects)
    mine = [d for d in kept if d['category_id'] == category]
    hits = [d for d in mine if d['outcome'] == 'tp']
    parts = dict.fromkeys(['Box', 'Cls', 'Loc', 'Both', 'Dupe', 'Bkg', 'Miss'], 0.0)
    parts['Box'] = sum((1 - d['iou']) / (1 - T_F) for d in hits)
    for d in mine:
        if d['outcome'] == 'fp':
            parts[d['type']] += 1
    matched = [d['object']['id'] for d in hits]
    of_class = [o for o in objects if o['counts'] and o['category_id'] == category]
    for o in of_class:
        if o['id'] not in matched:
            parts[best[o['id']]['type'] if o['id'] in best else 'Miss'] += 1
    total = len(of_class) + sum(d['outcome'] == 'fp' for d in mine)
    return {name: part / total for name, part in parts.items()}


def confusion(found, objects, categories, threshold):
    """Pairs of classes of objects and detections from a threshold on, None for none."""
    kept = [d for d in found if d['score'] >= threshold.get(d['category_id'], np.inf)]
    best, _ = claimed([d for d in kept if d['outcome'] == 'tp' or d['type'] == 'Cls'], objects)
    pairs, seen = [], set()
    for d in kept:
        o = d['object']
        if d['outcome'] == 'tp' or (o and best.get(o['id']) is d):
            pairs.append((o['category_id'], d['category_id']))
            seen.add(o['id'])
        elif d['outcome'] == 'fp':
            pairs.append((None, d['category_id']))
    pairs += [(o['category_id'], None) for o in objects if o['counts'] and o['id'] not in seen]
    place = {k: i for i, k in enumerate(categories)} | {None: len(categories)}
    matrix = np.zeros((len(place), len(place)), int)
    for row, column in pairs:
        matrix[place[row], place[column]] += 1
    return matrix
