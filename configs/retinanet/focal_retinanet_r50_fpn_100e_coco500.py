# Baseline on the aLRP recipe: focal loss and smooth L1. Not yet trained.
_base_ = './alrp_retinanet_r50_fpn_100e_coco500.py'

model = dict(
    bbox_head=dict(
        type='RetinaHead',
        loss_cls=dict(
            _delete_=True,
            type='FocalLoss',
            use_sigmoid=True,
            gamma=2.0,
            alpha=0.25,
            loss_weight=1.0,
        ),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=0.11, loss_weight=1.0),
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
