# MMDetection's 1x schedule with the learning rate published for aLRP Loss at 800 pixels, for 16
# images per step.
_base_ = './schedule_100e.py'

train_cfg = dict(max_epochs=12, val_interval=1)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=12, milestones=[8, 11])
optim_wrapper = dict(optimizer=dict(lr=0.004))
auto_scale_lr = dict(base_batch_size=16)
