# COCO at 800 pixels: SSD-style augmentation to 800x800 for training, 1333x800 for testing.
_base_ = './coco_500.py'

train_pipeline = _base_.train_pipeline
train_pipeline[5]['scale'] = (800, 800)
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (1333, 800)

train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
