"""The losses as the papers write them: one positive at a time, in float64, and slowly.

Nothing here shares code or ideas with the package: every pair of logits is compared.
"""

import itertools
import math

import numpy as np

EPS = 1e-5  # a positive with fewer false positives is left alone


def step(x, delta):
    return np.clip(np.asarray(x, dtype=np.float64) / (2 * delta) + 0.5, 0, 1)


def step_sums(queries, keys, delta, weights=None):
    weights = np.ones(len(keys)) if weights is None else np.asarray(weights, dtype=np.float64)
    return np.array([math.fsum(weights * step(np.asarray(keys) - q, delta)) for q in queries])


def split(logits, labels):
    logits = np.asarray(logits, dtype=np.float64)
    return logits, np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)


def rank_one(logits, pos, neg, i, delta):
    """H of every other positive over positive i, H of every negative over it, and its rank."""
    over_pos = step(logits[pos] - logits[pos[i]], delta)
    over_pos[i] = 0
    over_neg = step(logits[neg] - logits[pos[i]], delta)
    return over_pos, over_neg, 1 + over_pos.sum() + over_neg.sum()


def update(logits, pos, neg, delta, errors):
    """Gradient of the error-driven update (arXiv 2009.13592, eq. 8 and 9)."""
    grad = np.zeros(len(logits))
    for i, error in enumerate(errors):
        _, over_neg, _ = rank_one(logits, pos, neg, i, delta)
        if over_neg.sum() > EPS:
            primary_terms = error * over_neg / over_neg.sum()
            grad[neg] += primary_terms / len(pos)
            grad[pos[i]] -= primary_terms.sum() / len(pos)
    return grad


def update_positives(logits, pos, delta, errors, targets):
    """Gradient if positives blame the positives above them of lower target (arXiv 2107.11669)."""
    grad = np.zeros(len(logits))
    for i, error in enumerate(errors):
        over = step(logits[pos] - logits[pos[i]], delta) * (targets < targets[i])
        if over.sum() > EPS:
            grad[pos] += error * over / over.sum() / len(pos)
            grad[pos[i]] -= error / len(pos)
    return grad


def alrp(logits, labels, loc_errors, delta=1.0):
    """loss_cls, loss_loc (the mean over all orders of ties), gradient of loss_cls."""
    logits, pos, neg = split(logits, labels)
    if len(pos) == 0:
        return 0.0, 0.0, np.zeros(len(logits))
    loss_cls, loss_loc, lrp_errors = [], [], []
    for i in range(len(pos)):
        over_pos, over_neg, rank = rank_one(logits, pos, neg, i, delta)
        loss_cls.append(over_neg.sum() / rank)
        lrp_errors.append((over_neg.sum() + (over_pos * loc_errors).sum()) / rank)
        above = logits[pos] > logits[pos[i]]
        tied = logits[pos] == logits[pos[i]]
        tied[i] = False  # each of the others stands above i in half of the orders
        loss_loc.append(
            (loc_errors[i] + loc_errors[above].sum() + loc_errors[tied].sum() / 2) / rank
        )
    return np.mean(loss_cls), np.mean(loss_loc), update(logits, pos, neg, delta, lrp_errors)


def alrp_loc_of_order(logits, labels, loc_errors, delta, order):
    """loss_loc if the positives stand in this order, from the last one to the first."""
    logits, pos, neg = split(logits, labels)
    total = 0.0
    for place, i in enumerate(order):
        _, _, rank = rank_one(logits, pos, neg, i, delta)
        total += sum(loc_errors[k] for k in order[place:]) / rank
    return total / len(pos)


def ascending_orders(logits, labels):
    """Every order of the positives by ascending logit: ties in each possible order."""
    logits, pos, _ = split(logits, labels)
    groups = [np.flatnonzero(logits[pos] == value) for value in np.unique(logits[pos])]
    for orders in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [i for group in orders for i in group]


def extreme_orders(logits, labels, loc_errors):
    """Among ascending orders, those of least and of most loss_loc.

    Equal scores have equal ranks, and an error counts once for every place at or below it.
    """
    logits, pos, _ = split(logits, labels)
    return np.lexsort((-loc_errors, logits[pos])), np.lexsort((loc_errors, logits[pos]))


def rank_sort(logits, targets, delta=0.5, eps=1e-10):
    """loss_rank, loss_sort, and the gradient of each, one positive at a time (arXiv 2107.11669)."""
    logits, targets = np.asarray(logits, float), np.asarray(targets, float)
    pos, neg = np.flatnonzero(targets > 0), np.flatnonzero(targets == 0)
    loss_rank = loss_sort = 0.0
    rank_grad, sort_grad = np.zeros(len(logits)), np.zeros(len(logits))
    for i in pos:
        over_pos, over_neg = (step(logits[x] - logits[i], delta) for x in (pos, neg))  # with itself
        false_positives = over_neg.sum()
        rank_error = false_positives / (over_pos.sum() + false_positives)
        at_least = targets[pos] >= targets[i]
        badness = 1 - targets[pos]
        current = (over_pos * badness).sum() / over_pos.sum()
        target = (over_pos * badness)[at_least].sum() / over_pos[at_least].sum()
        loss_rank += rank_error / len(pos)
        loss_sort += (current - target) / len(pos)
        if false_positives > eps:
            rank_grad[neg] += rank_error / len(pos) * over_neg / false_positives
            rank_grad[i] -= rank_error / len(pos)
        missorted = np.where(at_least, 0, over_pos)
        if missorted.sum() > eps:
            sort_grad[pos] += (current - target) / len(pos) * missorted / missorted.sum()
            sort_grad[i] -= (current - target) / len(pos)
    return loss_rank, loss_sort, rank_grad, sort_grad


def ap(logits, labels, delta=1.0, interpolate=True):
    """AP Loss and its gradient; interpolated, no positive has less precision than one below it."""
    logits, pos, neg = split(logits, labels)
    if len(pos) == 0:
        return 0.0, np.zeros(len(logits))
    precision = np.zeros(len(pos))
    for i in range(len(pos)):
        _, over_neg, rank = rank_one(logits, pos, neg, i, delta)
        precision[i] = 1 - over_neg.sum() / rank
    if interpolate:
        best = 0.0
        for i in np.argsort(logits[pos], kind='stable'):
            best = precision[i] = max(best, precision[i])
    return 1 - precision.mean(), update(logits, pos, neg, delta, 1 - precision)
