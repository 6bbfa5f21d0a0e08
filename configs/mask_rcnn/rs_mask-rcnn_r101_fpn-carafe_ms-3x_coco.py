# Published COCO minival AP: box 46.2, mask 41.5 (oLRP 62.6, 65.9). MMCV's CARAFE needs CUDA.
# The published config lowers the learning rate at epochs 27 and 33, ours at 24 and 33.
_base_ = [
    '../_base_/models/rs_mask-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_480-960_instance.py',
    '../_base_/schedules/schedule_3x.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
    ),
    neck=dict(type='FPN_CARAFE'),
)
train_dataloader = dict(batch_size=4)  # published: on each of 4 GPUs
optim_wrapper = dict(optimizer=dict(lr=0.012))
