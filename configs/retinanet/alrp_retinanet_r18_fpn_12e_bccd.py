# aLRP Loss on one's own data: BCCD, three classes, from scratch; minutes on two CPU cores.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn_small.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small.py',
    '../_base_/default_runtime.py',
]

model = dict(bbox_head=dict(num_classes=3))
