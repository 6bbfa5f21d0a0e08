# RS SOLOv2-light (arXiv 2107.11669): smaller images and a smaller head. Published COCO minival mask
# AP: 32.6 (oLRP 72.7).
_base_ = './rs_solov2_r101_fpn_3x_coco.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2]['scales'] = [(768, side) for side in range(352, 513, 32)]
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (768, 448)

model = dict(
    backbone=dict(
        depth=34,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet34-b627a593.pth'),
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
    mask_head=dict(
        feat_channels=256,
        stacked_convs=2,
        scale_ranges=((1, 56), (28, 112), (56, 224), (112, 448), (224, 896)),
        mask_feature_head=dict(out_channels=128),
    ),
)
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))  # on each of 4 GPUs
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.012))
auto_scale_lr = dict(base_batch_size=32)
