# A RetinaNet small enough to train from scratch on two CPU cores.
_base_ = './alrp_retinanet_r50_fpn.py'

model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2),
    # Ranking losses order the scores but do not calibrate them: COCO's threshold of 0.05 may drop
    # good detections if there are few classes. Use no threshold, for any loss.
    test_cfg=dict(score_thr=0.0),
)
