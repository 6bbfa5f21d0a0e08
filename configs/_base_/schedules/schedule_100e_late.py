# The published schedule with later drops, at epochs 75 and 95.
_base_ = './schedule_100e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1]['milestones'] = [75, 95]
