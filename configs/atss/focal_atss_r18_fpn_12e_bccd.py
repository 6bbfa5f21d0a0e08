# Baseline: ATSS's own focal loss, GIoU and centerness. Otherwise the same as the aLRP config.
_base_ = './alrp_atss_r18_fpn_12e_bccd.py'

model = dict(
    bbox_head=dict(
        type='ATSSHead',
        norm_cfg=None,
        loss_cls=dict(
            _delete_=True,
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
