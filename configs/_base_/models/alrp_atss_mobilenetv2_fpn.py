# A small ATSS on a pretrained MobileNetV2, for training on a CPU.
_base_ = './alrp_retinanet_mobilenetv2_fpn.py'

model = dict(
    type='ATSS',
    neck=dict(add_extra_convs='on_output'),
    bbox_head=dict(
        type='ALRPATSSHead',
        learnable_scales=True,
        anchor_generator=dict(scales_per_octave=3, ratios=[1.0]),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type='ATSSAssigner', topk=9)),
)
