# Baseline: cross entropy and L1. COCO minival AP, published: 37.8 (oLRP 69.3).
_base_ = [
    '../_base_/models/ce_l1_faster-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_500.py',
    '../_base_/schedules/schedule_100e_late.py',
    '../_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.04))
