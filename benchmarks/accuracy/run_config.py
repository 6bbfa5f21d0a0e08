"""The config of a run."""

import json
from copy import deepcopy
from pathlib import Path

from .matrix import DATASETS, LOSSES, ROOT, Run, base_model

TEMPLATE = """\
# {name}{overrides}
_base_ = [
    {base!r},
    '{configs}/datasets/aquarium.py',
    '{configs}/schedules/schedule_12e_small_pretrained.py',
    '{configs}/default_runtime.py',
]

data_root = {data_root!r}
metainfo = dict(classes={classes})
train_pipeline = _base_.train_pipeline
train_pipeline[2]['scale'] = (320, 320)
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (320, 320)
data = dict(data_root=data_root, metainfo=metainfo)
# Images are loaded in the same process, so that a run uses exactly one core.
train_dataloader = dict(num_workers=0, dataset=dict(pipeline=train_pipeline, **data))
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline, **data)
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = val_evaluator

model = dict(
    # The first stages have the largest maps: freezing them saves the most time.
    backbone=dict(frozen_stages=3, init_cfg=dict(checkpoint={weights!r})),
    bbox_head=dict(
        num_classes={num_classes},
        anchor_generator=dict(octave_base_scale=2),  # most objects are 20 to 50 pixels wide
        loss_cls={loss_cls},
        loss_bbox={loss_bbox},
        reg_decoded_bbox={decoded},
    ),
)

train_cfg = dict(max_epochs={epochs}, val_interval={val_interval})
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', begin=0, end={epochs}, convert_to_iter_based=True),
]
optim_wrapper = dict(optimizer=dict(lr={lr}), clip_grad=dict(max_norm={clip_norm}))
randomness = dict(seed={seed})
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1), logger=dict(interval=25, ignore_last=False))
"""


def config_text(run: Run, data_root: Path, weights: str) -> str:
    """The text of a run's config.

    Args:
        run (Run): What to train.
        data_root (Path): Folder with a folder per dataset.
        weights (str): File or URL of the pretrained backbone.
    """
    folder = data_root.resolve() / run.dataset
    annotations = json.loads((folder / 'annotations' / 'instances_train.json').read_bytes())
    classes = tuple(c['name'] for c in sorted(annotations['categories'], key=lambda c: c['id']))
    loss_cls, loss_bbox = loss_configs(run)
    return TEMPLATE.format(
        name=run.name,
        overrides=f' with {run.overrides}' if run.overrides else '',
        base=str(base_model(run.detector, run.loss)),
        configs=ROOT / 'configs' / '_base_',
        data_root=f'{folder}/',
        classes=classes,
        num_classes=len(classes),
        weights=weights,
        loss_cls=loss_cls,
        loss_bbox=loss_bbox,
        decoded=LOSSES[run.loss].decoded,
        epochs=run.epochs,
        val_interval=DATASETS[run.dataset].val_interval,
        lr=run.lr,
        clip_norm=run.clip_norm,
        seed=run.seed,
    )


def loss_configs(run: Run) -> tuple[dict, dict]:
    """``loss_cls`` and ``loss_bbox`` of a run, with its setting."""
    loss = LOSSES[run.loss]
    head = dict(
        loss_cls=dict(deepcopy(loss.loss_cls), _delete_=True),
        loss_bbox=dict(deepcopy(loss.loss_bbox), _delete_=True),
    )
    key, _, value = run.setting.partition('=')
    *parents, last = key.split('.')
    node = head
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = float(value)
    return head['loss_cls'], head['loss_bbox']
