# aLRP Loss in all stages, with the learning rate of aLRP Faster R-CNN. Not trained yet.
_base_ = [
    '../_base_/models/alrp_cascade-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_1333x800.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.006))
