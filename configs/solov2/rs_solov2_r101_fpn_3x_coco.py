# RS SOLOv2 (arXiv 2107.11669). Published COCO minival mask AP: 39.7 (oLRP 66.9). Warm-up, steps and
# gradient clipping are those of the published config file.
_base_ = [
    '../_base_/models/rs_solov2_r50_fpn.py',
    '../_base_/datasets/coco_640-800_instance.py',
    '../_base_/schedules/schedule_3x.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
    )
)
train_dataloader = dict(batch_size=4)  # published: on each of 4 GPUs
val_evaluator = dict(metric='segm')  # SOLOv2 has no boxes
test_evaluator = val_evaluator
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(start_factor=0.01)
param_scheduler[1].update(milestones=[27, 33])
optim_wrapper = dict(optimizer=dict(lr=0.006), clip_grad=dict(max_norm=35, norm_type=2))
