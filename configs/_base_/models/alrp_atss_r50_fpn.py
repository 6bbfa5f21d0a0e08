# RetinaNet's head with ATSS assignment and two square anchors per location.
_base_ = './alrp_retinanet_r50_fpn.py'

model = dict(
    type='ATSS',
    bbox_head=dict(type='ALRPATSSHead', anchor_generator=dict(ratios=[1.0])),
    train_cfg=dict(assigner=dict(_delete_=True, type='ATSSAssigner', topk=9)),
)
