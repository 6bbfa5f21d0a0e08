# AP Loss with smooth L1. Published COCO minival AP: 36.5 (oLRP 69.8).
_base_ = './alrp_fovea_r50_fpn_100e_coco500.py'

model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type='APLoss', delta=1.0),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=0.11),
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.002))
