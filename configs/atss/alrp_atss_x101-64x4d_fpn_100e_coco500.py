# Published COCO minival AP: 44.5.
_base_ = './alrp_atss_r50_fpn_100e_coco500.py'

model = dict(
    backbone=dict(
        type='ResNeXt',
        depth=101,
        groups=64,
        base_width=4,
        init_cfg=dict(checkpoint='open-mmlab://resnext101_64x4d'),
    )
)
