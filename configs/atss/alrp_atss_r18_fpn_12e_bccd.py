# aLRP Loss with anchors assigned by ATSS, on the example of one's own data.
_base_ = '../retinanet/alrp_retinanet_r18_fpn_12e_bccd.py'

model = dict(
    type='ATSS',
    bbox_head=dict(
        type='ALRPATSSHead',
        # ATSS takes what fits best, however badly: the usual size of anchors will do.
        anchor_generator=dict(octave_base_scale=4, ratios=[1.0]),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type='ATSSAssigner', topk=9)),
)
