# FoveaBox (arXiv 1904.03797) with aLRP Loss. Published COCO minival AP: 39.7 (oLRP 67.2).
_base_ = [
    '../_base_/models/alrp_fovea_r50_fpn.py',
    '../_base_/datasets/coco_500.py',
    '../_base_/schedules/schedule_100e_late.py',
    '../_base_/default_runtime.py',
]
