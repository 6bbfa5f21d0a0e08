# aLRP Loss with anchors assigned by ATSS, on the example of one's own data. ATSS takes the anchors
# that fit best, however badly, so that COCO's will do.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn_small.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='ATSS',
    bbox_head=dict(type='ALRPATSSHead', num_classes=3, anchor_generator=dict(ratios=[1.0])),
    train_cfg=dict(assigner=dict(_delete_=True, type='ATSSAssigner', topk=9)),
)
