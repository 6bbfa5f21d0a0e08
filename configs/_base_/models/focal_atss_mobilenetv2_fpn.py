# Baseline of alrp_atss_mobilenetv2_fpn.py: ATSS's own focal loss, GIoU and centerness.
_base_ = './alrp_atss_mobilenetv2_fpn.py'

alrp_head = _base_.model.bbox_head
model = dict(
    bbox_head=dict(
        _delete_=True,
        type='ATSSHead',
        num_classes=80,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        norm_cfg=alrp_head.norm_cfg,
        anchor_generator=alrp_head.anchor_generator,
        bbox_coder=alrp_head.bbox_coder,
        loss_cls=dict(
            type='FocalLoss',
            use_sigmoid=True,
            gamma=2.0,
            alpha=0.25,
            loss_weight=1.0,
        ),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    )
)
