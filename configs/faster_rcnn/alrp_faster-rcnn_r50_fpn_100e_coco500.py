# aLRP Loss (arXiv 2009.13592) in both stages. Published COCO minival AP: 40.7 (oLRP 66.7).
_base_ = [
    '../_base_/models/alrp_faster-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_500.py',
    '../_base_/schedules/schedule_100e_late.py',
    '../_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.012))
