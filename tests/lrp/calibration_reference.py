"""Calibration errors by definition, one detection and one bin at a time.

Shares no code with the package. The matching is that of ``lrp_reference``.
"""

import math
from fractions import Fraction

import lrp_reference

ANY_OVERLAP = 1e-300


def matched(truth, results, category, max_dets=100):
    """Scores and IoUs of a class, best first, and the number of objects that count."""
    detections = lrp_reference.ranked(results, category, max_dets)
    objects = [a for a in truth['annotations'] if a['category_id'] == category]
    found, count = lrp_reference.outcomes(detections, objects, 'all', ANY_OVERLAP)
    pairs = [
        (detection['score'], 0.0 if outcome == 'fp' else outcome)
        for detection, outcome in zip(detections, found)
        if outcome != 'ignored'
    ]
    return pairs, count


def optimal_threshold(pairs, num_objects):
    """The score of the last detection of the best set, by trying every set; None without one."""
    best = None
    for n in range(1, len(pairs) + 1):
        hits = [iou for _, iou in pairs[:n] if iou > 0]
        false = n - len(hits)
        error = math.fsum(1 - iou for iou in hits) + false + num_objects - len(hits)
        error /= num_objects + false
        if hits and (best is None or error < best[0] - 1e-12):
            best = error, pairs[n - 1][0]
    return best and best[1]


def bin_of(score, num_bins):
    """The bin (b / B, (b + 1) / B] that has the score, and 0 in the first one."""
    edges = [b / num_bins for b in range(num_bins + 1)]
    return next(b for b in range(num_bins) if Fraction(score) <= Fraction(edges[b + 1]))


def errors(pairs, threshold, num_bins=25):
    """LaECE and LaACE of a class."""
    kept = [(score, iou) for score, iou in pairs if threshold is not None and score >= threshold]
    if not kept:
        return math.nan, math.nan
    bins = {}
    for score, iou in kept:
        bins.setdefault(bin_of(score, num_bins), []).append((score, iou))
    laece = 0
    for members in bins.values():
        mean_score = math.fsum(score for score, _ in members) / len(members)
        mean_iou = math.fsum(iou for _, iou in members) / len(members)
        laece += len(members) / len(kept) * abs(mean_score - mean_iou)
    return laece, math.fsum(abs(score - iou) for score, iou in kept) / len(kept)


def mean(values):
    defined = [x for x in values if not math.isnan(x)]
    return math.fsum(defined) / len(defined) if defined else -1


def summary(truth, results, max_dets=100):
    """LaECE_0 and LaACE_0 above the LRP-optimal thresholds."""
    of_classes = []
    for category in truth['categories']:
        pairs, num_objects = matched(truth, results, category['id'], max_dets)
        if num_objects:
            of_classes.append(errors(pairs, optimal_threshold(pairs, num_objects)))
    laece, laace = zip(*of_classes) if of_classes else ((), ())
    return dict(LaECE_0=mean(laece), LaACE_0=mean(laace))
