_base_ = './alrp_retinanet_mobilenetv2_fpn.py'

model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='RankSortLoss', delta=0.5)))
