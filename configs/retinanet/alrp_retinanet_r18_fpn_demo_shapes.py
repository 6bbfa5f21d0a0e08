# The config of `make demo`: aLRP Loss on the embedded dataset, from scratch, on the CPU.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn-gn_small.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

# The published start of 50 makes the first epoch mostly about boxes: too much for this schedule.
model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256]),
    bbox_head=dict(num_classes=4, loss_cls=dict(self_balance=dict(start_weight=5.0, interval=50))),
)

train_cfg = dict(max_epochs=8, val_interval=4)
param_scheduler = _base_.param_scheduler
param_scheduler[1]['end'] = 8
default_hooks = dict(logger=dict(interval=25))
