# AP Loss with smooth L1, as published in arXiv 2009.13592.
_base_ = './alrp_fovea_r50_fpn.py'

model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type='APLoss', delta=1.0),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=0.11),
    )
)
