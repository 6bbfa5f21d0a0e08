# Registers everything with MMDetection. Your own config needs nothing else from this file.
custom_imports = dict(imports=['alrp_mmdet'], allow_failed_imports=False)

default_scope = 'mmdet'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DetVisualizationHook'),
    # Not in custom_hooks: a config that sets its own list there would drop it.
    epoch_seed=dict(type='EpochSeedHook'),
    # Loads the layers of load_from that fit. Testing requires a checkpoint that fits entirely.
    fine_tune=dict(type='FineTuneHook'),
    # Applies the optimizer settings and schedule of the config when a run is resumed.
    resume=dict(type='ResumeHook'),
    # Forwards a batch in parts if the config sets micro_batch_size.
    micro_batch=dict(type='MicroBatchHook'),
)
custom_hooks = [dict(type='NumClassCheckHook')]

# Runs are repeatable, and a resumed run gives the same result as an uninterrupted one.
randomness = dict(seed=0)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)

log_level = 'INFO'
load_from = None
resume = False
