# Published COCO minival AP: 47.6 (oLRP 61.1). Deformable groups and the steps between short sides
# are those of the published config file.
_base_ = [
    '../_base_/models/rs_faster-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_480-960.py',
    '../_base_/schedules/schedule_3x.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        depth=101,
        dcn=dict(type='DCNv2', deform_groups=4, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
    )
)
train_dataloader = dict(batch_size=4)  # published: on each of 4 GPUs
optim_wrapper = dict(optimizer=dict(lr=0.012))
