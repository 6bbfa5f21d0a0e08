# What `make demo` trains: aLRP Loss on the embedded dataset, from scratch, on the CPU.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn_small.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_12e_small.py',
    '../_base_/default_runtime.py',
]

model = dict(bbox_head=dict(num_classes=6))

train_cfg = dict(val_interval=3)
default_hooks = dict(logger=dict(interval=10))
