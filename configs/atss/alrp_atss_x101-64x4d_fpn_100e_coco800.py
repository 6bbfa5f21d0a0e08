# Published COCO minival AP: 47.2.
_base_ = './alrp_atss_r101_fpn_100e_coco800.py'

model = dict(
    backbone=dict(
        type='ResNeXt',
        groups=64,
        base_width=4,
        init_cfg=dict(checkpoint='open-mmlab://resnext101_64x4d'),
    )
)
