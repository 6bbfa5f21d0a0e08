# RS Cascade R-CNN (arXiv 2107.11669): RS Loss in all stages, with equal weights and box coders.
# IoU thresholds and allowed_border are MMDetection's.
_base_ = './rs_faster-rcnn_r50_fpn.py'

faster_head = _base_.model.roi_head.bbox_head
faster_rcnn = _base_.model.train_cfg.rcnn
model = dict(
    type='CascadeRCNN',
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=3,
        stage_loss_weights=[1, 1, 1],
        bbox_head=[dict(faster_head, reg_class_agnostic=True) for _ in range(3)],
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
