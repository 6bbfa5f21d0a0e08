"""A schedule that is shorter than the training is found before it."""

import pytest
from mmengine.config import Config

from alrp_mmdet.config.schedule import schedule_warnings

WARM_UP = dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500)
COSINE = dict(type='CosineAnnealingLR', begin=0, end=12, convert_to_iter_based=True)
STEPS = dict(type='MultiStepLR', milestones=[8, 11])  # has no end


@pytest.mark.parametrize(
    'schedulers, max_epochs, is_short',
    [
        ([WARM_UP, COSINE], 12, False),
        ([WARM_UP, COSINE], 13, True),
        (COSINE, 13, True),
        ([COSINE, dict(type='ConstantLR', begin=12, end=20)], 13, False),
        ([COSINE, STEPS], 13, False),
        ([WARM_UP], 12, False),  # counts iterations
        ([WARM_UP, COSINE], None, False),
        (None, 12, False),
    ],
)
def test_schedules(schedulers, max_epochs, is_short):
    cfg = Config(dict(param_scheduler=schedulers, train_cfg=dict(max_epochs=max_epochs)))
    warnings = schedule_warnings(cfg)
    assert len(warnings) == is_short
    assert all('ends after epoch 12, but max_epochs is 13' in text for text in warnings)
