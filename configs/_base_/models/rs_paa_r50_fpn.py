# RS PAA (arXiv 2107.11669): no IoU branch, and three anchors per location instead of PAA's one.
# Training needs scikit-learn.
_base_ = './rs_atss_r50_fpn.py'

model = dict(
    type='PAA',
    bbox_head=dict(type='ALRPPAAHead', topk=9, score_voting=True),
    # PAA's candidates: anchors with an IoU of 0.1.
    train_cfg=dict(
        assigner=dict(
            _delete_=True,
            type='MaxIoUAssigner',
            pos_iou_thr=0.1,
            neg_iou_thr=0.1,
            min_pos_iou=0,
            ignore_iof_thr=-1,
        )
    ),
)
