# Baseline: focal loss and smooth L1. COCO minival AP, published: 38.3 (oLRP 68.8).
_base_ = './alrp_fovea_r50_fpn_100e_coco500.py'

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
optim_wrapper = dict(optimizer=dict(lr=0.02))
