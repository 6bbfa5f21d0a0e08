# Baseline: FoveaBox's own focal loss and smooth L1. Otherwise the same as the aLRP config.
_base_ = './alrp_fovea_r18_fpn_12e_bccd.py'

model = dict(
    bbox_head=dict(
        type='FoveaHead',
        loss_cls=dict(
            _delete_=True,
            type='FocalLoss',
            use_sigmoid=True,
            gamma=1.5,
            alpha=0.4,
            loss_weight=1.0,
        ),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=0.11, loss_weight=1.0),
    )
)
