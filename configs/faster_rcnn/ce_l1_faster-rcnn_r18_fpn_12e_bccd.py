# Baseline: cross entropy, L1, sampling, learning rate 0.01. Otherwise the same as the aLRP config.
_base_ = [
    '../_base_/models/ce_l1_faster-rcnn_r50_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        # Anchors start at 16 pixels: platelets are about 20 pixels wide.
        anchor_generator=dict(scales=[4]),
        bbox_coder=dict(target_stds=[0.1, 0.1, 0.2, 0.2]),  # the aLRP config's
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(num_classes=3, in_channels=64, fc_out_channels=256),
    ),
    train_cfg=dict(rpn_proposal=dict(max_per_img=300)),
    test_cfg=dict(rpn=dict(nms_pre=2000, max_per_img=300)),
)
