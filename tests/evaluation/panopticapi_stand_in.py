"""What CocoPanopticMetric needs of panopticapi, which is not on PyPI: ids, colours and counts."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np


def rgb2id(colour):
    return (colour.astype(np.int64) * [1, 256, 65536]).sum(axis=-1)


def id2rgb(ids):
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)


class PQStat:
    def __init__(self):
        self.counts = defaultdict(lambda: SimpleNamespace(tp=0, fp=0, fn=0, iou=0.0))

    def __getitem__(self, category_id):
        return self.counts[category_id]

    def __iadd__(self, other):
        for category_id, theirs in other.counts.items():
            for key, value in vars(theirs).items():
                setattr(self[category_id], key, getattr(self[category_id], key) + value)
        return self

    def __reduce__(self):  # between processes
        return _restore, (dict(self.counts),)

    def pq_average(self, categories, isthing):
        by_category, values = {}, []
        for category_id, category in categories.items():
            if isthing is not None and bool(category['isthing']) != isthing:
                continue
            c = self[category_id]
            if c.tp + c.fp + c.fn == 0:
                by_category[category_id] = dict(pq=0.0, sq=0.0, rq=0.0)
                continue
            halves = c.tp + 0.5 * c.fp + 0.5 * c.fn
            quality = dict(pq=c.iou / halves, sq=c.iou / c.tp if c.tp else 0, rq=c.tp / halves)
            by_category[category_id] = quality
            values.append(quality)
        means = {key: sum(v[key] for v in values) / len(values) for key in ('pq', 'sq', 'rq')}
        return dict(means, n=len(values)), by_category


def _restore(counts):
    stat = PQStat()
    stat.counts.update(counts)
    return stat
