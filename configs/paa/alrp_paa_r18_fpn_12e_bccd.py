# aLRP Loss. Otherwise the same as the RS config.
_base_ = './rs_paa_r18_fpn_12e_bccd.py'

model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='aLRPLoss', delta=1.0, tau=0.5)))
