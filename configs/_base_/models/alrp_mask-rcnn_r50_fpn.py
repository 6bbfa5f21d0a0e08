# aLRP Loss with masks: the higher a RoI ranks, the more its box and its mask count.
_base_ = './alrp_faster-rcnn_r50_fpn.py'

model = dict(
    type='MaskRCNN',
    roi_head=dict(
        type='ALRPMaskRoIHead',
        max_masks=200,
        mask_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=80,
            loss_mask=dict(type='DiceLoss'),
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_size=28)),
    test_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
