# RetinaNet with aLRP Loss (arXiv 2009.13592). Published COCO minival AP: 39.0.
_base_ = [
    '../_base_/models/alrp_retinanet_r50_fpn.py',
    '../_base_/datasets/coco_500.py',
    '../_base_/schedules/schedule_100e.py',
    '../_base_/default_runtime.py',
]
