# aLRP Loss on a small data set: BCCD, three classes, from scratch, minutes on two CPU cores.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn-gn_small.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

# Anchors must fit the objects. Platelets are about 20 pixels wide in a 320-pixel image; COCO's
# smallest anchor (octave_base_scale * stride) is 32 and overlaps few of them with an IoU of 0.5.
model = dict(bbox_head=dict(num_classes=3, anchor_generator=dict(octave_base_scale=2)))
