# AP Loss. Its learning rate is a quarter of aLRP Loss's, as published for RetinaNet. Not trained
# yet.
_base_ = './rs_paa_r50_fpn_1x_coco.py'

model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='APLoss', delta=1.0)))
optim_wrapper = dict(optimizer=dict(lr=0.001))
