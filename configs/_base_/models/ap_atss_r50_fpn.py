# AP Loss with GIoU Loss for boxes. Not published for ATSS.
_base_ = './alrp_atss_r50_fpn.py'

model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='APLoss', delta=1.0)))
