# Published COCO minival AP: box 49.9, mask 44.4 (oLRP 59.1, 63.1). MMCV's CARAFE needs CUDA.
_base_ = './rs_mask-rcnn_r101-dconv-c3-c5_fpn-carafe_ms-3x_coco.py'

model = dict(
    backbone=dict(
        type='ResNeXt',
        groups=64,
        base_width=4,
        init_cfg=dict(checkpoint='open-mmlab://resnext101_64x4d'),
    )
)
