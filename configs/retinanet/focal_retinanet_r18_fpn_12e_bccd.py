# Baseline: losses and box coder of MMDetection's RetinaNet. Otherwise the same as the aLRP config.
_base_ = './alrp_retinanet_r18_fpn_12e_bccd.py'

model = dict(
    bbox_head=dict(
        type='RetinaHead',
        bbox_coder=dict(target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(
            _delete_=True,
            type='FocalLoss',
            use_sigmoid=True,
            gamma=2.0,
            alpha=0.25,
            loss_weight=1.0,
        ),
        loss_bbox=dict(_delete_=True, type='L1Loss', loss_weight=1.0),
    )
)
