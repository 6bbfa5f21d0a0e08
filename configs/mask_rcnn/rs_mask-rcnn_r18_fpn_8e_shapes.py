# RS Loss in both stages. Otherwise the same as the aLRP config.
_base_ = './alrp_mask-rcnn_r18_fpn_8e_shapes.py'

rs_loss = dict(type='RankSortLoss', delta=0.5)
model = dict(
    rpn_head=dict(loss_cls=dict(_delete_=True, loss_weight=0.2, **rs_loss)),
    roi_head=dict(bbox_head=dict(bias_prob=0.5, loss_cls=dict(_delete_=True, **rs_loss))),
    train_cfg=dict(
        rcnn=dict(
            # All RoIs and the ground-truth boxes, as in rs_faster-rcnn_r50_fpn.py.
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
)
