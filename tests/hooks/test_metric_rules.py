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


def test_undefined_components_are_never_the_best():
    hook = CheckpointHook(save_best=['coco/bbox_oLRP_loc', 'coco/bbox_loss'], rule='less')
    is_better = hook.is_better_than['coco/bbox_oLRP_loc']
    assert not is_better(-1, float('inf'))
    assert not is_better(-1, 0.2)
    assert is_better(0.1, 0.2)
    assert hook.is_better_than['coco/bbox_loss'](-1, 0.2)


@pytest.mark.parametrize('values, stops', [([-1, 0.6, 0.3], False), ([0.6, -1, -1], True)])
@pytest.mark.parametrize('min_delta', [0.0, 0.1])
def test_undefined_components_do_not_stop_a_run_that_improves(values, stops, min_delta):
    hook = EarlyStoppingHook(monitor='coco/bbox_oLRP_loc', patience=2, min_delta=min_delta)
    assert [hook._check_stop_condition(value)[0] for value in values][-1] == stops
