# RS R-CNN (arXiv 2107.11669): RS Loss in both stages, and ground-truth boxes among the RoIs.
_base_ = './alrp_faster-rcnn_r50_fpn.py'

model = dict(
    rpn_head=dict(
        loss_cls=dict(_delete_=True, type='RankSortLoss', delta=0.5, loss_weight=0.2),
    ),
    roi_head=dict(
        bbox_head=dict(
            bias_prob=0.5,
            loss_cls=dict(_delete_=True, type='RankSortLoss', delta=0.5),
        )
    ),
    train_cfg=dict(
        rcnn=dict(
            # All RoIs: num is far above their number. PseudoSampler cannot add ground truth.
            sampler=dict(
                _delete_=True,
                type='RandomSampler',
                num=10_000_000,
                pos_fraction=0.25,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            )
        )
    ),
    # Scores start at 0.5 and rise. The published threshold is 0.4, for speed; it cost 0.01 AP.
    test_cfg=dict(rcnn=dict(score_thr=0.4)),
)
