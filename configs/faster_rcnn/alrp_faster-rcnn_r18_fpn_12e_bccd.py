# aLRP Loss in both stages, on a small data set.
_base_ = [
    '../_base_/models/alrp_faster-rcnn_r50_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    # Anchors start at 16 pixels: platelets are about 20 pixels wide.
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(num_classes=3, in_channels=64, fc_out_channels=256),
    ),
    train_cfg=dict(rpn_proposal=dict(max_per_img=300)),
    test_cfg=dict(rpn=dict(nms_pre=2000, max_per_img=300)),
)
# Ranking gradients are bounded and the first stage has weight 0.2: at the baseline's learning rate
# of 0.01 it learns too little in 12 epochs from scratch.
optim_wrapper = dict(optimizer=dict(lr=0.02))
