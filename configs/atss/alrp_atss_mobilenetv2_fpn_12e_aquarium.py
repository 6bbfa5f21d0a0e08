# aLRP Loss, for comparison with RS Loss: 12 epochs at 416x320.
_base_ = [
    '../_base_/models/alrp_atss_mobilenetv2_fpn.py',
    '../_base_/datasets/aquarium.py',
    '../_base_/schedules/schedule_12e_small_pretrained.py',
    '../_base_/default_runtime.py',
]

model = dict(bbox_head=dict(num_classes=7))
