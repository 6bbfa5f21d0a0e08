# MMDetection's 3x schedule. The config files of the published RS R-CNN drop the learning rate at
# epochs 27 and 33.
_base_ = './schedule_1x.py'

train_cfg = dict(max_epochs=36)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=36, milestones=[24, 33])
