# Published COCO minival AP: 48.6.
_base_ = './alrp_atss_x101-64x4d_fpn_100e_coco800.py'

model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    )
)
