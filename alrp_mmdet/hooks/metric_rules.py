"""Lets MMEngine's hooks know that LRP is an error: the lowest value is the best."""

import re
from functools import wraps
from math import inf

from mmengine.hooks import CheckpointHook, EarlyStoppingHook

# 'coco/bbox_oLRP', 'coco/bbox_oLRP_fp', 'lvis/bbox_oLRP_r'; classwise 'coco/bbox_CLASS_oLRP';
# 'coco_panoptic/LRP', 'coco_panoptic/LRP_fp_th'
LRP = re.compile(r'(.*[/_])?(oLRP(_(loc|fp|fn|s|m|l|r|c|f))?|LRP(_(loc|fp|fn))?(_(th|st))?)')


def is_lrp(key: str) -> bool:
    """Whether a number that our metrics log is an LRP error or one of its components."""
    return LRP.fullmatch(key) is not None


def is_lower(value: float, other: float) -> bool:
    """Whether an LRP error is lower than another one. -1, undefined, is never lower.

    Before the first true positive, the components are undefined. ``EarlyStoppingHook`` subtracts
    its ``min_delta`` first, so everything up to -1 counts as undefined.
    """
    value, other = (inf if x <= -1 else x for x in (value, other))
    return value < other


def install_metric_rules() -> None:
    """Make ``save_best`` and ``EarlyStoppingHook`` minimise LRP unless their ``rule`` is set.

    MMEngine guesses the rule from parts of a name: the 'top' in ``bbox_laptop_oLRP`` would select
    'greater', and for ``bbox_oLRP`` it finds none.
    """
    infer = EarlyStoppingHook._init_rule
    if hasattr(infer, '__wrapped__'):
        return

    @wraps(infer)
    def infer_one(self, monitor):
        if not is_lrp(monitor):
            return infer(self, monitor)
        self.rule_map = dict(self.rule_map, less=is_lower)
        return 'less'

    infer_all = CheckpointHook._init_rule

    @wraps(infer_all)
    def infer_several(self, rules, key_indicators):
        if len(rules) == 1:
            rules = rules * len(key_indicators)
        rules = [
            'less' if rule is None and is_lrp(key) else rule
            for rule, key in zip(rules, key_indicators)
        ]
        infer_all(self, rules, key_indicators)
        for key, rule in zip(key_indicators, rules):
            if is_lrp(key) and rule == 'less':
                self.is_better_than[key] = is_lower

    EarlyStoppingHook._init_rule = infer_one
    CheckpointHook._init_rule = infer_several
