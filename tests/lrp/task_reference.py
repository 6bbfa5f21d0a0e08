"""AP and LRP of keypoints and LVIS by definition: one detection at a time, nothing in arrays.

Written from the papers (TPAMI 2021, arXiv 2011.10772; LVIS, arXiv 1908.03195) and the rules of the
published evaluations. Shares no code with the package.
"""

import math
from collections import defaultdict

LIMITS = dict(small=(0, 1024), medium=(1024, 9216), large=(9216, 1e10), all=(0, 1e10))
RANGES = dict(keypoints=['all', 'medium', 'large'], lvis=['all', 'small', 'medium', 'large'])
THRESHOLDS = [0.5 + i * ((0.95 - 0.5) / 9) for i in range(10)]  # the floats of pycocotools
NAN = math.nan


def oks(detection, person, sigmas):
    """Object keypoint similarity."""
    found = list(zip(*[iter(detection['keypoints'])] * 3))
    true = list(zip(*[iter(person['keypoints'])] * 3))
    labelled = [k for k, (_, _, v) in enumerate(true) if v > 0]
    x, y, w, h = person['bbox']
    values = []
    for k in labelled or range(len(true)):
        if labelled:
            dx, dy = found[k][0] - true[k][0], found[k][1] - true[k][1]
        else:
            dx = max(x - w - found[k][0], 0, found[k][0] - (x + 2 * w))
            dy = max(y - h - found[k][1], 0, found[k][1] - (y + 2 * h))
        squared = dx * dx + dy * dy
        values.append(math.exp(-squared / (2 * (2 * sigmas[k]) ** 2 * person['area'])))
    return math.fsum(values) / len(values)


def iou(detection, other):
    (x, y, w, h), (a, b, c, d) = detection['bbox'], other['bbox']
    width, height = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (w * h + c * d - width * height)


def by_image_and_class(entries):
    groups = defaultdict(list)
    for entry in entries:
        groups[entry['image_id'], entry['category_id']].append(entry)
    return dict(groups)


class Keypoints:
    def __init__(self, truth, results, sigmas):
        self.objects = by_image_and_class(truth['annotations'])
        self.found = by_image_and_class(results)
        self.of_box = bool(results) and 'bbox' in results[0]
        self.sigmas = sigmas
        self.ranges = RANGES['keypoints']

    def similarity(self, detection, other):
        return oks(detection, other, self.sigmas)

    def ignored(self, other):
        return bool(other['iscrowd']) or other['num_keypoints'] == 0

    def repeats(self, other):
        return bool(other['iscrowd'])

    def area(self, detection):
        if self.of_box:
            return detection['bbox'][2] * detection['bbox'][3]
        x, y = detection['keypoints'][0::3], detection['keypoints'][1::3]
        return (max(x) - min(x)) * (max(y) - min(y))

    def forgiven(self, detection):
        return False

    def chosen(self, image, category, limit):
        return sorted(self.found.get((image, category), []), key=lambda d: -d['score'])[:limit]


class Lvis:
    def __init__(self, truth, results, limit):
        self.images = {i['id']: i for i in truth['images']}
        self.objects = by_image_and_class(a for a in truth['annotations'] if a['area'] > 0)
        kept = []
        for image in self.images:
            mine = [d for d in results if d['image_id'] == image]
            for d in sorted(mine, key=lambda d: -d['score'])[:limit]:
                if d['bbox'][2] * d['bbox'][3] > 0 and self.searched(image, d['category_id']):
                    kept.append(d)
        self.found = by_image_and_class(kept)
        self.ranges = RANGES['lvis']

    def searched(self, image, category):
        return (image, category) in self.objects or category in self.images[image][
            'neg_category_ids'
        ]

    def similarity(self, detection, other):
        return iou(detection, other)

    def ignored(self, other):
        return bool(other.get('ignore'))

    def repeats(self, other):
        return False

    def area(self, detection):
        return detection['bbox'][2] * detection['bbox'][3]

    def forgiven(self, detection):
        image = self.images[detection['image_id']]
        return detection['category_id'] in image['not_exhaustive_category_ids']

    def chosen(self, image, category, limit):
        return sorted(self.found.get((image, category), []), key=lambda d: -d['score'])


def outcomes(rules, category, images, area, threshold, limit):
    """(score, outcome) of each detection, best first, and the number of objects.

    An outcome is 'ignored', 'fp', or the similarity of a true positive.
    """
    low, high = LIMITS[area]
    everything, count = [], 0
    for image in images:
        objects = [
            (rules.ignored(o) or not low <= o['area'] <= high, o)
            for o in rules.objects.get((image, category), [])
        ]
        objects.sort(key=lambda pair: pair[0])  # is stable
        count += sum(not ignored for ignored, _ in objects)
        free = [True] * len(objects)
        for d in rules.chosen(image, category, limit):
            best, found = min(threshold, 1 - 1e-10), None
            for i, (ignored, o) in enumerate(objects):
                if found is not None and ignored and not objects[found][0]:
                    break
                if not free[i] and not rules.repeats(o):
                    continue
                similarity = rules.similarity(d, o)
                if similarity >= best:
                    best, found = similarity, i
            if found is not None:
                free[found] = False
                everything.append((d['score'], 'ignored' if objects[found][0] else best))
            elif rules.forgiven(d) or not low <= rules.area(d) <= high:
                everything.append((d['score'], 'ignored'))
            else:
                everything.append((d['score'], 'fp'))
    everything.sort(key=lambda pair: -pair[0])
    return everything, count


def optimal_lrp(found, count, tau=0.5):
    """oLRP, its three components and the threshold."""
    if count == 0:
        return [-1] * 5
    if all(isinstance(outcome, str) for _, outcome in found):
        return [1, NAN, NAN, 1, NAN]
    best = None
    tp, fp, loc = 0, 0, 0.0
    for score, outcome in found:
        if outcome == 'fp':
            fp += 1
        elif outcome != 'ignored':
            tp, loc = tp + 1, loc + 1 - outcome
        fn = count - tp
        error = (loc / (1 - tau) + fp + fn) / (tp + fp + fn)
        if best is None or error < best[0] - 1e-12:
            parts = (loc / tp if tp else NAN), (fp / (tp + fp) if tp + fp else NAN), fn / count
            best = [error, *parts, score]
    return best


def average_precision(found, count):
    """AP over 101 recalls, and the recall."""
    if count == 0:
        return -1, -1
    points, tp, fp = [], 0, 0
    for _, outcome in found:
        if outcome == 'fp':
            fp += 1
        elif outcome != 'ignored':
            tp += 1
            points.append((tp / count, tp / (tp + fp)))
    wanted = [max((p for recall, p in points if recall >= i * 0.01), default=0) for i in range(101)]
    return math.fsum(wanted) / 101, tp / count


def evaluate(rules, truth, limit):
    """The values of each class and range, by the names of the published evaluation."""
    names = 'olrp', 'olrp_loc', 'olrp_fp', 'olrp_fn', 'lrp_opt_thr', 'ap', 'ar'
    images = sorted(image['id'] for image in truth['images'])
    values = {name: [] for name in names}
    for category in sorted(c['id'] for c in truth['categories']):
        rows = {name: [] for name in names}
        for area in rules.ranges:
            at = [outcomes(rules, category, images, area, t, limit) for t in THRESHOLDS]
            both = [average_precision(*pair) for pair in at]
            ap, ar = (sum(v) / len(v) for v in zip(*both))
            for name, value in zip(names, (*optimal_lrp(*at[0]), ap, ar)):
                rows[name].append(value)
        for name in names:
            values[name].append(rows[name])
    return values
