# aLRP Loss on one's own data: BCCD, three classes, from scratch; minutes on two CPU cores.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn-gn_small.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

# Anchors have to fit the objects: platelets are some 20 pixels wide in an image of 320. On COCO the
# smallest anchor, octave_base_scale * stride, is 32 and overlaps few of them by half.
model = dict(bbox_head=dict(num_classes=3, anchor_generator=dict(octave_base_scale=2)))
