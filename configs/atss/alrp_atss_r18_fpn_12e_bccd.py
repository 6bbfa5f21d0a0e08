# aLRP Loss with ATSS assignment, on a small data set. ATSS picks the best anchors for each object,
# however small it is, so COCO's anchor sizes work.
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
