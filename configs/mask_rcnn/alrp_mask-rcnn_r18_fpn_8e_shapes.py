# Mask R-CNN with aLRP Loss, from scratch on the embedded dataset.
_base_ = [
    '../_base_/models/alrp_mask-rcnn_r50_fpn.py',
    '../_base_/models/small_mask-rcnn_r18_fpn.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

model = _base_.small_mask_rcnn

train_cfg = dict(max_epochs=8, val_interval=4)
param_scheduler = _base_.param_scheduler
param_scheduler[1]['end'] = 8
