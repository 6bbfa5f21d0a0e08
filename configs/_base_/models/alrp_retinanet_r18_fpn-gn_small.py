# The same with group normalisation in neck and head: faster to train from scratch.
_base_ = './alrp_retinanet_r18_fpn_small.py'

norm_cfg = dict(type='GN', num_groups=8, requires_grad=True)
model = dict(neck=dict(norm_cfg=norm_cfg), bbox_head=dict(norm_cfg=norm_cfg))
