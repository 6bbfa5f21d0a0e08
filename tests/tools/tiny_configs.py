"""Configs of tiny detectors; the second and the third are appended to the first."""

CONFIG = """
_base_ = [{runtime!r}]
data_root = {data_root!r}
metainfo = dict(classes=('square', 'disc'))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset', metainfo=metainfo, data_root=data_root,
        ann_file='annotations.json', data_prefix=dict(img=''),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset', metainfo=metainfo, data_root=data_root,
        ann_file='annotations.json', data_prefix=dict(img=''),
        test_mode=True, pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + '/annotations.json', metric='bbox')
test_evaluator = val_evaluator
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[0, 0, 0], std=[99, 99, 99], pad_size_divisor=32
    ),
    backbone=dict(
        type='ResNet', depth=18, stem_channels=8, base_channels=8, norm_eval=False, init_cfg=None
    ),
    neck=dict(
        type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, start_level=1, num_outs=3,
        add_extra_convs='on_input',
    ),
    bbox_head=dict(
        type='ALRPRetinaHead', num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=3, scales_per_octave=1, ratios=[1.0],
            strides=[8, 16, 32],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='aLRPLoss'),
        loss_bbox=dict(type='GIoULoss'),
    ),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1, debug=False,
    ),
    test_cfg=dict(
        nms_pre=100, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=20,
    ),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [dict(type='MultiStepLR', begin=0, end=3, milestones=[2])]
default_hooks = dict(logger=dict(interval=1))
"""
MASK_RCNN = """
train_pipeline[1]['with_mask'] = test_pipeline[3]['with_mask'] = True
val_evaluator['metric'] = ['bbox', 'segm']
box_coder = dict(type='DeltaXYWHBBoxCoder')
assigner = dict(
    type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3, ignore_iof_thr=-1
)
sampler = dict(
    type='RandomSampler', num=32, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=True
)
roi_extractor = dict(
    type='SingleRoIExtractor', roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
    out_channels=16, featmap_strides=[8, 16],
)
proposals = dict(
    nms_pre=100, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0
)
model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(model['data_preprocessor'], pad_mask=True),
    backbone=model['backbone'],
    neck=model['neck'],
    rpn_head=dict(
        type='RPNHead', in_channels=16, feat_channels=16, bbox_coder=box_coder,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[3], ratios=[1.0], strides=[8, 16, 32]
        ),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss'),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=16, roi_feat_size=7,
            num_classes=2, bbox_coder=box_coder, loss_cls=dict(type='CrossEntropyLoss'),
            loss_bbox=dict(type='L1Loss'),
        ),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(
            type='FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=16, num_classes=2,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True),
        ),
    ),
    train_cfg=dict(
        rpn=dict(assigner=assigner, sampler=sampler, allowed_border=-1, pos_weight=-1, debug=False),
        rpn_proposal=proposals,
        rcnn=dict(assigner=assigner, sampler=sampler, mask_size=14, pos_weight=-1, debug=False),
    ),
    test_cfg=dict(
        rpn=proposals,
        rcnn=dict(
            score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20,
            mask_thr_binary=0.5,
        ),
    ),
)
"""
SOLOV2 = """
train_pipeline[1]['with_mask'] = test_pipeline[3]['with_mask'] = True
val_evaluator['metric'] = 'segm'
norm_cfg = dict(type='GN', num_groups=4)
model = dict(
    type='SOLOv2',
    data_preprocessor=dict(model['data_preprocessor'], pad_mask=True),
    backbone=model['backbone'],
    neck=model['neck'],
    mask_head=dict(
        type='ALRPSOLOV2Head', num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1,
        strides=[8, 16, 32], scale_ranges=((1, 24), (20, 40), (30, 64)), pos_scale=0.2,
        num_grids=[6, 4, 3], norm_cfg=norm_cfg,
        mask_feature_head=dict(
            feat_channels=16, start_level=0, end_level=2, out_channels=16, mask_stride=8,
            norm_cfg=norm_cfg,
        ),
    ),
    test_cfg=dict(
        nms_pre=100, score_thr=0.0, mask_thr=0.5, filter_thr=0.0, kernel='gaussian', sigma=2.0,
        max_per_img=20,
    ),
)
"""
