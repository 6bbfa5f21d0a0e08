# Aquarium at 416x320.
_base_ = './aquarium.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2]['scale'] = (416, 320)
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (416, 320)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
