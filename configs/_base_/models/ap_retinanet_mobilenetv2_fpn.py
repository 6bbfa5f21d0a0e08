# AP Loss with smooth L1, as in ap_retinanet_r50_fpn.py.
_base_ = './alrp_retinanet_mobilenetv2_fpn.py'

model = dict(
    bbox_head=dict(
        reg_decoded_bbox=False,
        loss_cls=dict(_delete_=True, type='APLoss', delta=1.0),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0),
    )
)
