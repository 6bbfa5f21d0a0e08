# Published COCO minival AP: 45.4.
_base_ = [
    '../_base_/models/alrp_atss_r50_fpn.py',
    '../_base_/datasets/coco_800.py',
    '../_base_/schedules/schedule_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
    ),
    bbox_head=dict(anchor_generator=dict(scales_per_octave=3)),
)
optim_wrapper = dict(optimizer=dict(lr=0.004))
auto_scale_lr = dict(base_batch_size=16)
