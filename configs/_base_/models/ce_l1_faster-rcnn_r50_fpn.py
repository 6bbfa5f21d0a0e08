# MMDetection's Faster R-CNN: its losses, samplers and box coders.
_base_ = './alrp_faster-rcnn_r50_fpn.py'

model = dict(
    rpn_head=dict(
        type='RPNHead',
        bbox_coder=dict(target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(_delete_=True, type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(_delete_=True, type='L1Loss', loss_weight=1.0),
    ),
    roi_head=dict(
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            loss_cls=dict(_delete_=True, type='CrossEntropyLoss', loss_weight=1.0),
            loss_bbox=dict(_delete_=True, type='L1Loss', loss_weight=1.0),
        )
    ),
    train_cfg=dict(
        rpn=dict(
            sampler=dict(
                _delete_=True,
                type='RandomSampler',
                num=256,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            )
        ),
        rcnn=dict(
            sampler=dict(
                _delete_=True,
                type='RandomSampler',
                num=512,
                pos_fraction=0.25,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            )
        ),
    ),
)
