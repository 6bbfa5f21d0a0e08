# aLRP Loss in all stages of Cascade R-CNN, with the RoIs, box coders and stage weights of RS
# Cascade R-CNN. Losses, initial scores and score threshold are those of aLRP Faster R-CNN.
_base_ = './rs_cascade-rcnn_r50_fpn.py'

alrp_loss = dict(type='aLRPLoss', delta=1.0, self_balance=dict(start_weight=50.0))
model = dict(
    rpn_head=dict(loss_cls=dict(_delete_=True, tau=0.7, loss_weight=0.2, **alrp_loss)),
    roi_head=dict(
        bbox_head=[
            dict(
                head,
                bias_prob=0.1,
                loss_cls=dict(tau=rcnn.assigner.pos_iou_thr, **alrp_loss),
            )
            for head, rcnn in zip(_base_.model.roi_head.bbox_head, _base_.model.train_cfg.rcnn)
        ]
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.05)),
)
