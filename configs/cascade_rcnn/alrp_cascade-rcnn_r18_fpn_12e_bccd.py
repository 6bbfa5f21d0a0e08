# aLRP Loss in all stages, on a small dataset.
_base_ = [
    '../_base_/models/alrp_cascade-rcnn_r50_fpn.py',
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
        bbox_head=[
            dict(head, num_classes=3, in_channels=64, fc_out_channels=256)
            for head in _base_.model.roi_head.bbox_head
        ],
    ),
    train_cfg=dict(rpn_proposal=dict(max_per_img=300)),
    test_cfg=dict(rpn=dict(nms_pre=2000, max_per_img=300), rcnn=dict(score_thr=0.0)),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))  # that of aLRP Faster R-CNN on this dataset
