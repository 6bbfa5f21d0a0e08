# ATSS with aLRP Loss (arXiv 2009.13592). Published COCO minival AP: 41.0.
_base_ = [
    '../_base_/models/alrp_atss_r50_fpn.py',
    '../_base_/datasets/coco_500.py',
    '../_base_/schedules/schedule_100e_late.py',
    '../_base_/default_runtime.py',
]
