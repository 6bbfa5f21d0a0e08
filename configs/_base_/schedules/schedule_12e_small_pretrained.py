# The short schedule for a pretrained backbone, which learns more slowly than the new layers.
_base_ = './schedule_12e_small_adamw.py'

optim_wrapper = dict(
    optimizer=dict(lr=0.001),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2))),
)
