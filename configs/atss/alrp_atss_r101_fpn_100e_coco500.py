# Published COCO minival AP: 42.2.
_base_ = './alrp_atss_r50_fpn_100e_coco500.py'

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
    )
)
