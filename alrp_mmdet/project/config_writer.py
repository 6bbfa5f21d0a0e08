"""The text of a config, short enough to be read."""

from pathlib import Path
from pprint import pformat

from .choices import Choices, Detector
from .formats import Split
from .statistics import Objects

MANY_CLASSES = 80  # that MMDetection has a palette for

TEXT = """\
# {title} with aLRP Loss for {classes_count}, trained on {train_images:,} images that have
# objects and validated on {val_images:,}. Written by tools/new_project.py, to be edited, from
# {source}
_base_ = [
    'alrp_mmdet::_base_/models/{base}',
    'alrp_mmdet::_base_/datasets/coco_1333x800.py',
    'alrp_mmdet::_base_/schedules/{schedule}',
    'alrp_mmdet::_base_/default_runtime.py',
]

classes = {classes}
metainfo = dict({metainfo})
work_dir = {work_dir!r}

# Long and short side that images are resized to, keeping their ratio: of the median image, which
# has {median}, {reason}.
image_scale = {scale}
train_pipeline = _base_.train_pipeline
train_pipeline[2]['scale'] = image_scale
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = image_scale

train_dataloader = dict(
    batch_size={batch_size},  # of each GPU
    dataset=dict(
        metainfo=metainfo,
        filter_cfg=dict(min_size=1),  # small images are enlarged
        data_root='',
        ann_file={train_file!r},
        data_prefix=dict(img={train_folder!r}),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        metainfo=metainfo,
        data_root='',
        ann_file={val_file!r},
        data_prefix=dict(img={val_folder!r}),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=val_dataloader['dataset']['ann_file'])
# tools/test.py writes the LRP-optimal score threshold of each class, to run the detector at.
test_evaluator = dict(**val_evaluator, thresholds_file={thresholds!r})

{model}

{epochs_reason} {steps:,} steps.
# On n GPUs they are an n-th of that: divide `end` of the warm-up as well.
max_epochs = {epochs}
train_cfg = dict(max_epochs=max_epochs, val_interval={val_interval})
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end={warmup}),
    {decay},
]
# For {images} images a step; it is scaled to the batch, here to {scaled_lr:.3g} on one GPU.
optim_wrapper = dict(optimizer=dict(lr={lr}), clip_grad=dict(max_norm=10))

default_hooks = dict(
    checkpoint=dict(save_best='coco/bbox_mAP'), logger=dict(interval={log_interval})
)
{start}
"""

EPOCHS_CHOSEN = """\
# Epochs: 1100 / sqrt(images), from 12 (MMDetection's, from 8400 images on) to 150. A hundredth of
# the images are thus seen ten times as often, in a tenth of the steps. Here,"""
EPOCHS_GIVEN = '# Epochs as asked for,'
DECAYS = dict(
    steps="dict(type='MultiStepLR', end=max_epochs, milestones=[{}, {}], gamma=0.1)",
    cosine="dict(type='CosineAnnealingLR', end=max_epochs)",
)
ANCHORS = """\
# Share of the training objects that have an anchor with an IoU of 0.5 or more, averaged over the
# classes, by {key}: {shares}.
"""
SCRATCH = """\
# To start from a detector's checkpoint, of other classes too, which few images gain most from:
# load_from = 'a_checkpoint_to_fine_tune.pth'"""
FINE_TUNED = """\
# What fits of it is loaded, and the log lists it. If its backbone is another, remove the last line.
# What the loss starts with needs no change: docs/fine_tuning.md has what was measured.
load_from = {load_from!r}
model['backbone'] = dict(init_cfg=None)"""
RANKED = '# No detection is cut off by its score: those of a ranking have an order but no scale.\n'
MODELS = {
    'dense': """\
model = dict(
    bbox_head=dict(num_classes=len(classes), anchor_generator=dict(octave_base_scale={anchor})),
    test_cfg=dict(score_thr=0.0),
)""",
    'points': """\
model = dict(bbox_head=dict(num_classes=len(classes)), test_cfg=dict(score_thr=0.0))""",
    'two stages': """\
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[{anchor}])),
    roi_head=dict(bbox_head=dict(num_classes=len(classes))),
    test_cfg=dict(rcnn=dict(score_thr=0.0)),
)""",
}


def config_text(
    folder: Path,
    source: str,
    detector: Detector,
    choices: Choices,
    train: Split,
    val: Split,
    objects: Objects,
    load_from: str | None = None,
) -> str:
    """Write the config of a project.

    Args:
        folder (Path): The project's folder.
        source (str): What the data were read from.
        detector (Detector): What is trained.
        choices (Choices): How.
        train (Split): On these images, whose ``file`` is set.
        val (Split): Validated on these, likewise.
        objects (Objects): Those of ``train``.
        load_from (str, optional): Path or URL of a checkpoint to start from. Defaults to None.

    Returns:
        str: Python.
    """
    long, short = map(round, objects.median_size)
    schedule = detector.schedule
    milestones = (round(choices.epochs * part) for part in (2 / 3, 11 / 12))
    many = len(train.classes) > MANY_CLASSES
    return TEXT.format(
        title=detector.title,
        classes_count=_count(train.classes),
        train_images=objects.with_objects,
        val_images=len(val.content['images']),
        source=source,
        base=detector.base,
        classes=_classes(train.classes),
        metainfo='classes=classes' + (', palette=None' if many else ''),
        work_dir=str(folder / 'work_dir'),
        median=f'{long}x{short}',
        reason=_reason(choices.scale, long, detector.limits),
        scale=choices.scale,
        batch_size=choices.batch_size,
        train_file=str(train.file),
        train_folder=f'{train.images}/',
        val_file=str(val.file),
        val_folder=f'{val.images}/',
        thresholds=str(folder / 'thresholds.json'),
        model=_model(detector, choices),
        schedule=schedule.base,
        epochs_reason=EPOCHS_GIVEN if choices.epochs_asked_for else EPOCHS_CHOSEN,
        steps=choices.steps,
        epochs=choices.epochs,
        val_interval=choices.val_interval,
        warmup=choices.warmup,
        # Several lines of log for each epoch, if it is short.
        log_interval=max(1, min(50, choices.steps // choices.epochs // 4)),
        decay=DECAYS[schedule.decay].format(*milestones),
        images=schedule.images,
        scaled_lr=detector.lr * choices.batch_size / schedule.images,
        lr=detector.lr,
        start=FINE_TUNED.format(load_from=load_from) if load_from else SCRATCH,
    )


def _count(classes: tuple[str, ...]) -> str:
    return f'{len(classes)} classes' if len(classes) > 1 else 'one class'


def _classes(names: tuple[str, ...]) -> str:
    text = pformat(names, width=88, compact=True)
    return f'(\n {text[1:-1].rstrip(",")},\n)' if '\n' in text else text


def _reason(scale: tuple[int, int], long: int, limits: tuple[int, int]) -> str:
    if scale[0] > 1.1 * long:
        return 'enlarged for small objects or images'
    if scale[0] < 0.9 * long:
        return f'made smaller to fit into {limits[0]}x{limits[1]}'
    return 'to multiples of 32'


def _model(detector: Detector, choices: Choices) -> str:
    text = RANKED + MODELS[detector.heads].format(anchor=choices.base_scale)
    if detector.anchors is None:
        return text
    shares = [f'{share:.1%} at {base}' for base, share in choices.anchor_shares.items()]
    key = 'scales' if 'scales=' in text else 'octave_base_scale'
    return ANCHORS.format(key=key, shares=', '.join(shares)) + text
