# A small RetinaNet on a pretrained MobileNetV2, for training on a CPU.
_base_ = './alrp_retinanet_r50_fpn.py'

# For distributed training: the backbone's last convolution is not used.
find_unused_parameters = True

norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV2',
        out_indices=(2, 4, 6),
        frozen_stages=2,
        norm_eval=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmdetection/v2.0/third_party/'
            'mobilenet_v2_batch256_imagenet-ff34753d.pth',
        ),
    ),
    neck=dict(in_channels=[32, 96, 320], out_channels=64, start_level=0, norm_cfg=norm_cfg),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2, norm_cfg=norm_cfg),
    # No score threshold: scores of a ranking loss are ordered but not calibrated.
    test_cfg=dict(score_thr=0.0),
)
