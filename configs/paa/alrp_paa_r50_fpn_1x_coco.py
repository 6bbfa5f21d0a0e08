# aLRP Loss, with the learning rate of aLRP ATSS. Not trained yet.
_base_ = './rs_paa_r50_fpn_1x_coco.py'

model = dict(
    bbox_head=dict(
        loss_cls=dict(
            _delete_=True, type='aLRPLoss', delta=1.0, tau=0.5, self_balance=dict(start_weight=50.0)
        )
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.004))
