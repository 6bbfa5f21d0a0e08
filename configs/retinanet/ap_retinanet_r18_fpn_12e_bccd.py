# AP Loss with smooth L1. Otherwise the same as the aLRP config.
_base_ = './alrp_retinanet_r18_fpn_12e_bccd.py'

model = dict(
    bbox_head=dict(
        reg_decoded_bbox=False,
        loss_cls=dict(_delete_=True, type='APLoss', delta=1.0),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0),
    )
)
