# RS Loss in all stages, with a pretrained MobileNetV2.
_base_ = [
    '../_base_/models/rs_faster-rcnn_r50_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small_pretrained.py',
    '../_base_/default_runtime.py',
]

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
    neck=dict(in_channels=[32, 96, 320], out_channels=64, num_outs=4, norm_cfg=norm_cfg),
    # Anchors start at 16 pixels: platelets are about 20 pixels wide.
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[2], strides=[8, 16, 32, 64]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=[8, 16, 32]),
        bbox_head=dict(num_classes=3, in_channels=64, fc_out_channels=256),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=100)),
    test_cfg=dict(rpn=dict(max_per_img=100), rcnn=dict(score_thr=0.0)),
)
