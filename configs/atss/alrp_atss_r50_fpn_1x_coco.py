# MMDetection's standard schedule and data. Not trained yet.
_base_ = [
    '../_base_/models/alrp_atss_r50_fpn.py',
    '../_base_/datasets/coco_1333x800.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
