# AP Loss in all stages. Its learning rate is a quarter of aLRP Loss's, as published for RetinaNet,
# and the RPN has the same weight of 0.2. Not trained yet.
_base_ = './alrp_cascade-rcnn_r50_fpn_1x_coco.py'

ap_loss = dict(type='APLoss', delta=1.0)
model = dict(
    rpn_head=dict(
        loss_cls=dict(_delete_=True, type='APLoss', delta=1.0, loss_weight=0.2),
        loss_bbox=dict(loss_weight=0.2),
    ),
    roi_head=dict(
        bbox_head=[dict(head, loss_cls=ap_loss) for head in _base_.model.roi_head.bbox_head]
    ),
)
optim_wrapper = dict(optimizer=dict(lr=0.0015))
