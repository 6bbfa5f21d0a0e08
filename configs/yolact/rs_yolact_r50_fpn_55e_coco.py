# RS YOLACT (arXiv 2107.11669), 550x550. Published COCO minival AP: box 33.8, mask 29.9 (oLRP 71.8,
# 74.7).
_base_ = [
    '../_base_/models/rs_yolact_r50_fpn.py',
    '../_base_/datasets/coco_500.py',
    '../_base_/schedules/schedule_100e.py',
    '../_base_/default_runtime.py',
]

img_size = 550
train_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True, backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(4.0, 4.0)),
    dict(type='PhotoMetricDistortion'),
    dict(type='Expand', mean=[123.68, 116.78, 103.94], to_rgb=True, ratio_range=(1, 4)),
    dict(type='MinIoURandomCrop', min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
    dict(type='Resize', scale=(img_size, img_size), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1] = dict(type='Resize', scale=(img_size, img_size), keep_ratio=False)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=55, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', T_max=55, eta_min=0.0, begin=0, end=55, by_epoch=True),
]
optim_wrapper = dict(optimizer=dict(lr=0.006, weight_decay=0.0005))
