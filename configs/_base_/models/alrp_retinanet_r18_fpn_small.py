# A RetinaNet small enough to be trained from scratch on two CPU cores.
_base_ = './alrp_retinanet_r50_fpn.py'

model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2),
    # Scores trained by ranking have an order but no scale: 0.05, COCO's threshold, may cut off good
    # detections of a detector with few classes. Every loss is evaluated without one here.
    test_cfg=dict(score_thr=0.0),
)
