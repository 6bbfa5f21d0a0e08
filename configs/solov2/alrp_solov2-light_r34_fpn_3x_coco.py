# aLRP Loss, with the Dice loss of a mask as its localisation error. As in the other detectors, its
# learning rate is half of RS Loss's. Not published, not trained yet.
_base_ = './rs_solov2-light_r34_fpn_3x_coco.py'

model = dict(
    mask_head=dict(
        loss_cls=dict(
            _delete_=True, type='aLRPLoss', delta=1.0, tau=0.0, self_balance=dict(start_weight=50.0)
        )
    ),
    test_cfg=dict(score_thr=0.05),
)
optim_wrapper = dict(optimizer=dict(lr=0.006))
