# Baseline on the aLRP recipe: ATSS's own focal loss, GIoU and centerness. Not yet trained.
_base_ = './alrp_atss_r50_fpn_100e_coco500.py'

model = dict(
    bbox_head=dict(
        type='ATSSHead',
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
optim_wrapper = dict(optimizer=dict(lr=0.02))
