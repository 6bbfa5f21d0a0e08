# RS Loss with a pretrained MobileNetV2 on a small dataset: under half an hour on one CPU core.
_base_ = './alrp_atss_mobilenetv2_fpn_12e_aquarium.py'

model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='RankSortLoss', delta=0.5)))
