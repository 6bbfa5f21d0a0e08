# SOLOv2 with RS Loss, small enough to train from scratch on a CPU.
_base_ = [
    '../_base_/models/rs_solov2_r50_fpn.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)
# Objects of 28 to 130 pixels in images of 256x192: four levels and coarse grids.
model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64, num_outs=4, norm_cfg=norm_cfg),
    mask_head=dict(
        num_classes=4,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        strides=[8, 8, 16, 16],
        scale_ranges=((1, 48), (32, 72), (56, 112), (88, 256)),
        num_grids=[16, 12, 10, 8],
        norm_cfg=norm_cfg,
        mask_feature_head=dict(feat_channels=32, out_channels=32, norm_cfg=norm_cfg),
    ),
    test_cfg=dict(score_thr=0.0, filter_thr=0.0),  # see alrp_retinanet_r18_fpn_small.py
)
val_evaluator = dict(metric='segm')  # SOLOv2 has no boxes
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=8, val_interval=4)
param_scheduler = _base_.param_scheduler
param_scheduler[1]['end'] = 8
