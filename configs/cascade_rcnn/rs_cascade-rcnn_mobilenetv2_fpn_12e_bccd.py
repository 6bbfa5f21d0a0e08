# RS Loss in all stages, with a pretrained MobileNetV2.
_base_ = [
    '../_base_/models/rs_cascade-rcnn_r50_fpn.py',
    '../_base_/models/small_rcnn_mobilenetv2_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_12e_small_pretrained.py',
    '../_base_/default_runtime.py',
]

small_rcnn, small_box_head = _base_.small_rcnn, _base_.small_box_head
model = dict(
    small_rcnn,
    roi_head=dict(
        small_rcnn.roi_head,
        bbox_head=[
            dict(head, **small_box_head, num_classes=3) for head in _base_.model.roi_head.bbox_head
        ],
    ),
)
