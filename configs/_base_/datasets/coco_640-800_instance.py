# COCO with masks, short sides of 640 to 800 pixels for training, 1333x800 for testing.
_base_ = './coco_1333x800_instance.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2] = dict(
    type='RandomChoiceResize',
    scales=[(1333, side) for side in range(640, 801, 32)],
    keep_ratio=True,
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
