# RS Loss with PAA's assignment, on a small dataset. Training needs scikit-learn.
_base_ = [
    '../_base_/models/rs_paa_r50_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64, norm_cfg=norm_cfg),
    bbox_head=dict(
        num_classes=3, in_channels=64, feat_channels=64, stacked_convs=2, norm_cfg=norm_cfg
    ),
    test_cfg=dict(score_thr=0.0),  # see alrp_retinanet_r18_fpn_small.py
)
