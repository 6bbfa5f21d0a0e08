# aLRP Loss with masks. Not published; learning rate of aLRP Faster R-CNN. Not trained yet.
_base_ = [
    '../_base_/models/alrp_mask-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_1333x800_instance.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.006))
