# YOLACT with RS Loss, small enough to train from scratch on a CPU.
_base_ = [
    '../_base_/models/rs_yolact_r50_fpn.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(depth=18, base_channels=32, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64, num_outs=3, norm_cfg=norm_cfg),
    bbox_head=dict(
        num_classes=4,
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(
            octave_base_scale=4, base_sizes=[8, 16, 32], strides=[8, 16, 32], centers=None
        ),
        num_protos=16,
        norm_cfg=norm_cfg,
    ),
    mask_head=dict(
        num_classes=4,
        in_channels=64,
        num_protos=16,
        proto_channels=(64, 64, None, 64, 16),
        proto_kernel_sizes=(3, 3, -2, 3, 1),
    ),
    test_cfg=dict(score_thr=0.0),  # see alrp_retinanet_r18_fpn_small.py
)

train_cfg = dict(max_epochs=8, val_interval=4)
param_scheduler = _base_.param_scheduler
param_scheduler[1]['end'] = 8
