# What makes a Mask R-CNN small enough to train from scratch on the embedded dataset.
# To be merged into another base: `model = _base_.small_mask_rcnn`.
norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)
# Objects have 28 pixels or more, and there are few: no level of stride 4, and 100 proposals.
small_mask_rcnn = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(
        in_channels=[32, 64, 128, 256],
        out_channels=64,
        start_level=1,
        num_outs=4,
        norm_cfg=norm_cfg,
    ),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[4], strides=[8, 16, 32, 64]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=[8, 16, 32]),
        bbox_head=dict(num_classes=4, in_channels=64, fc_out_channels=256),
        mask_roi_extractor=dict(out_channels=64, featmap_strides=[8, 16, 32]),
        mask_head=dict(
            num_classes=4,
            num_convs=2,
            in_channels=64,
            conv_out_channels=64,
            norm_cfg=norm_cfg,
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=100)),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=100), rcnn=dict(score_thr=0.0)),
)
