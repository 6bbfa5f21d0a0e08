# The layout of RS ATSS (arXiv 2107.11669): ATSS's own towers without centerness, and three square
# anchors per location. NMS at 0.6 as in the published config file.
_base_ = './alrp_atss_r50_fpn.py'

model = dict(
    neck=dict(add_extra_convs='on_output'),
    bbox_head=dict(
        norm_cfg=dict(type='GN', num_groups=32, requires_grad=True),
        learnable_scales=True,
        anchor_generator=dict(scales_per_octave=3),
        loss_cls=dict(_delete_=True, type='RankSortLoss', delta=0.5),
    ),
    test_cfg=dict(nms=dict(iou_threshold=0.6)),
)
