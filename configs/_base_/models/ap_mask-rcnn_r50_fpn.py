# AP Loss in both stages, with GIoU Loss for boxes and the mean Dice Loss of masks. Not published.
_base_ = './alrp_mask-rcnn_r50_fpn.py'

ap_loss = dict(_delete_=True, type='APLoss', delta=1.0)
model = dict(
    rpn_head=dict(loss_cls=dict(loss_weight=0.2, **ap_loss), loss_bbox=dict(loss_weight=0.2)),
    roi_head=dict(bbox_head=dict(loss_cls=ap_loss)),
)
