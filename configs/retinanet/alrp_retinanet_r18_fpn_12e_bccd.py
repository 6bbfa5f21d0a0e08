# RetinaNet with aLRP Loss on BCCD, the example of your own data: three classes, trained from
# scratch in minutes on two CPU cores.
_base_ = [
    '../_base_/models/alrp_retinanet_r18_fpn-gn_small.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small_adamw.py',
    '../_base_/default_runtime.py',
]

# Anchors must fit the objects: platelets are about 20 pixels wide in a 320 pixel image. With COCO's
# octave_base_scale of 4, the smallest anchor is 4 * 8 = 32 pixels and few platelets reach IoU 0.5.
model = dict(bbox_head=dict(num_classes=3, anchor_generator=dict(octave_base_scale=2)))
