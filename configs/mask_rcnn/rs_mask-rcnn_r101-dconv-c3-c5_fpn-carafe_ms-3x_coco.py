# Published COCO minival AP: box 48.8, mask 43.6 (oLRP 60.2, 64.0). Deformable groups are as in the
# published config. MMCV's CARAFE needs CUDA.
_base_ = './rs_mask-rcnn_r101_fpn-carafe_ms-3x_coco.py'

model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=4, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    )
)
