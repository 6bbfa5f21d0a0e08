import pytest
from mmdet.registry import HOOKS
from mmengine.hooks import CheckpointHook, EarlyStoppingHook

from alrp_mmdet.hooks import AtomicCheckpointHook

LESS = (
    'coco/bbox_oLRP',
    'coco/segm_oLRP_fp',
    'bbox_oLRP_s',
    'coco/bbox_laptop_oLRP',
    'coco/bbox_accordion_oLRP',
    'a/coco/bbox_map of top_oLRP',
)
GREATER = (
    'coco/bbox_mAP',
    'coco/laptop_precision',
    'coco/oLRP_precision',
    'coco/bbox_oLRP_precision',
)


@pytest.mark.parametrize('key', LESS + GREATER)
def test_rules(key):
    rule = 'less' if key in LESS else 'greater'
    assert EarlyStoppingHook(monitor=key).rule == rule
    assert HOOKS.build(dict(type='EarlyStoppingHook', monitor=key)).rule == rule
    for hook in (CheckpointHook, AtomicCheckpointHook):
        assert hook(save_best=key).rules == [rule]
        assert hook(save_best=['coco/segm_mAP', key]).rules == ['greater', rule]
        assert hook(save_best=key, rule='greater').rules == ['greater']


def test_other_names_need_a_rule():
    with pytest.raises(ValueError, match='oddity'):
        EarlyStoppingHook(monitor='oddity')
    assert EarlyStoppingHook(monitor='coco/bbox_oLRP', rule='greater').rule == 'greater'
