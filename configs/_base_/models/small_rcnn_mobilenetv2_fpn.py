# What makes an R-CNN detector small, for all losses: a pretrained MobileNetV2 and narrow heads.
# To be merged into another base: `model = _base_.small_rcnn`.

# For distributed training: the backbone's last convolution is not used.
find_unused_parameters = True

small_rcnn = dict(
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
    neck=dict(
        in_channels=[32, 96, 320],
        out_channels=64,
        num_outs=4,
        norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
    ),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        # Anchors start at 16 pixels: platelets in BCCD are about 20 pixels wide.
        anchor_generator=dict(scales=[2], strides=[8, 16, 32, 64]),
    ),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=64, featmap_strides=[8, 16, 32])),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=100)),
    test_cfg=dict(rpn=dict(max_per_img=100), rcnn=dict(score_thr=0.0)),
)
small_box_head = dict(in_channels=64, fc_out_channels=256)
