# ATSS with aLRP Loss on BCCD, the example of your own data. COCO's anchors suffice: ATSS assigns
# the best-fitting anchors however low their IoU is.
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
