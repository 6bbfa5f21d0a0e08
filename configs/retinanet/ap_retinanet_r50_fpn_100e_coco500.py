# AP Loss (arXiv 1904.06373) with smooth L1. Published COCO minival AP: 35.4.
_base_ = './alrp_retinanet_r50_fpn_100e_coco500.py'

model = dict(
    bbox_head=dict(
        reg_decoded_bbox=False,
        loss_cls=dict(_delete_=True, type='APLoss', delta=1.0),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0),
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.002))
