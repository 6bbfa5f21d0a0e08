# The published schedule: 100 epochs of SGD, learning rate divided by 10 at epochs 60 and 80.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', begin=0, end=100, by_epoch=True, milestones=[60, 80], gamma=0.1),
]

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.008, momentum=0.9, weight_decay=0.0001),
)

# The learning rate is for 32 images per step. It is scaled to the actual batch size.
auto_scale_lr = dict(enable=True, base_batch_size=32)
