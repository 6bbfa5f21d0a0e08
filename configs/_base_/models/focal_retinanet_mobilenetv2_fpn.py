# Baseline of alrp_retinanet_mobilenetv2_fpn.py: focal loss and GIoU, with ATSS's weight for it.
_base_ = './alrp_retinanet_mobilenetv2_fpn.py'

model = dict(
    bbox_head=dict(
        type='RetinaHead',
        reg_decoded_bbox=True,
        loss_cls=dict(
            _delete_=True,
            type='FocalLoss',
            use_sigmoid=True,
            gamma=2.0,
            alpha=0.25,
            loss_weight=1.0,
        ),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
    )
)
