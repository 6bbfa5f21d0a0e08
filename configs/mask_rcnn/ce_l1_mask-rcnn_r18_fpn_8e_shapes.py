# Baseline: cross entropy, L1, sampling. Otherwise the same as the aLRP config.
_base_ = [
    '../_base_/models/ce_l1_mask-rcnn_r50_fpn.py',
    '../_base_/models/small_mask-rcnn_r18_fpn.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

small_mask_rcnn = _base_.small_mask_rcnn
model = dict(
    small_mask_rcnn,
    rpn_head=dict(
        small_mask_rcnn.rpn_head,
        bbox_coder=dict(target_stds=[0.1, 0.1, 0.2, 0.2]),  # the aLRP config's
    ),
)

train_cfg = dict(max_epochs=8, val_interval=4)
param_scheduler = _base_.param_scheduler
param_scheduler[1]['end'] = 8
