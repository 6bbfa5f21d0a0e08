# MMDetection's Cascade R-CNN: its losses, samplers, box coders and stage weights.
_base_ = './ce_l1_faster-rcnn_r50_fpn.py'

faster_head = _base_.model.roi_head.bbox_head
faster_rcnn = _base_.model.train_cfg.rcnn
stage_stds = [[0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [0.033, 0.033, 0.067, 0.067]]
smooth_l1 = dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0)
model = dict(
    type='CascadeRCNN',
    rpn_head=dict(
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0)
    ),
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[
            dict(
                faster_head,
                reg_class_agnostic=True,
                bbox_coder=dict(faster_head.bbox_coder, target_stds=stds),
                loss_bbox=smooth_l1,
            )
            for stds in stage_stds
        ],
    ),
    train_cfg=dict(
        rpn=dict(allowed_border=0),
        rcnn=[
            dict(
                faster_rcnn,
                assigner=dict(
                    faster_rcnn.assigner, pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou
                ),
            )
            for iou in (0.5, 0.6, 0.7)
        ],
    ),
)
