# RS Loss. Otherwise the same as the aLRP config.
_base_ = './alrp_fovea_r18_fpn_12e_bccd.py'

model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type='RankSortLoss', delta=0.5)))
