# aLRP Loss with a pretrained MobileNetV2 on a small dataset: under an hour on one CPU core.
_base_ = [
    '../_base_/models/alrp_retinanet_mobilenetv2_fpn.py',
    '../_base_/datasets/aquarium.py',
    '../_base_/schedules/schedule_12e_small_pretrained.py',
    '../_base_/default_runtime.py',
]

model = dict(bbox_head=dict(num_classes=7, anchor_generator=dict(octave_base_scale=2)))
train_cfg = dict(max_epochs=16, val_interval=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', begin=0, end=16, by_epoch=True),
]
