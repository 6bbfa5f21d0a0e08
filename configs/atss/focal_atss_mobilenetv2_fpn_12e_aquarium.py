# Baseline: ATSS's own losses. Otherwise the same as the aLRP config.
_base_ = [
    '../_base_/models/focal_atss_mobilenetv2_fpn.py',
    '../_base_/datasets/aquarium.py',
    '../_base_/schedules/schedule_12e_small_pretrained.py',
    '../_base_/default_runtime.py',
]

model = dict(bbox_head=dict(num_classes=7))
