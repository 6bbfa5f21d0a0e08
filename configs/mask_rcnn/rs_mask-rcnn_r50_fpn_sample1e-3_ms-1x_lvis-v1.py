# Published LVIS v1 val AP: box 25.9, mask 25.2.
_base_ = [
    '../_base_/models/rs_mask-rcnn_r50_fpn.py',
    '../_base_/datasets/lvis_v1_640-800.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]

model = dict(
    roi_head=dict(bbox_head=dict(num_classes=1203), mask_head=dict(num_classes=1203)),
    # LVIS allows 300 detections per image. The published threshold is 0.6, for speed.
    test_cfg=dict(rcnn=dict(score_thr=0.6, max_per_img=300)),
)
train_dataloader = dict(batch_size=4)  # published: on each of 4 GPUs
optim_wrapper = dict(optimizer=dict(lr=0.012))
