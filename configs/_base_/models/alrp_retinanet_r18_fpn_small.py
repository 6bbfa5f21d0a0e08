# A RetinaNet small enough to train from scratch on two CPU cores.
_base_ = './alrp_retinanet_r50_fpn.py'

model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2),
    # Ranking losses train the order of scores, not their scale. With few classes, COCO's threshold
    # of 0.05 can cut off good detections, so none is used here, for any loss.
    test_cfg=dict(score_thr=0.0),
)
