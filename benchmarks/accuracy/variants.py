"""Changes to a loss, each tried alone, to find out why a loss is behind."""

from dataclasses import replace
from typing import NamedTuple

from .matrix import LOSSES, Run
from .rows import run_of

HEAD = 'model.bbox_head'
LOSS = f'{HEAD}.loss_cls'
CLIP = 'optim_wrapper.clip_grad'
LR_MULTIPLES = 'optim_wrapper.paramwise_cfg.custom_keys'


class Variant(NamedTuple):
    """A change to the config of a loss.

    Attributes:
        name (str): Name, unique for each loss.
        loss (str): Key of ``LOSSES``.
        overrides (str): Options of ``tools/train.py --cfg-options``, separated by spaces.
    """

    name: str
    loss: str
    overrides: str


def _initial_score(score: float) -> str:
    """The score of all classes before training."""
    init = f'{HEAD}.init_cfg'
    settings = dict(type='Normal', layer='Conv2d', std=0.01)
    override = dict(type='Normal', name='retina_cls', std=0.01, bias_prob=score)
    options = [f'{init}.{key}={value}' for key, value in settings.items()]
    return ' '.join([*options, *(f'{init}.override.{k}={v}' for k, v in override.items())])


OF_ALL = {  # for the baseline as well: a gain of all losses does not favour one of them
    'clip0.1': f'{CLIP}.max_norm=0.1',
    'clip_off': f'{CLIP}=None',
    'head_lr_half': f'{LR_MULTIPLES}.bbox_head.lr_mult=0.5',
    'head_lr_double': f'{LR_MULTIPLES}.bbox_head.lr_mult=2',
    'box_lr_2.5': f'{LR_MULTIPLES}.reg.lr_mult=2.5',  # of the layers for boxes only
    'backbone_lr_full': f'{LR_MULTIPLES}.backbone.lr_mult=1',
    'score_0.5': _initial_score(0.5),
    'score_0.1': _initial_score(0.1),
}
OF_IOU_LOSSES = {
    'iou': f'{HEAD}.loss_bbox.type=IoULoss {HEAD}.loss_bbox.mode=linear',
    'diou': f'{HEAD}.loss_bbox.type=DIoULoss',
    'ciou': f'{HEAD}.loss_bbox.type=CIoULoss',
}
BALANCE = f'{LOSS}.self_balance'
OF_ONE = {
    'alrp': {
        'start_2': f'{BALANCE}.start_weight=2',
        'start_15': f'{BALANCE}.start_weight=15',
        'every_step': f'{BALANCE}.interval=1',
        'every_epoch': f'{BALANCE}.interval=None',
        'every_50_steps': f'{BALANCE}.interval=50',
        'start_5': f'{BALANCE}.start_weight=5',
        'delta_0.5': f'{LOSS}.delta=0.5',
        'delta_0.25': f'{LOSS}.delta=0.25',
        'delta_2': f'{LOSS}.delta=2',
    },
    'rs': {
        'delta_0.25': f'{LOSS}.delta=0.25',
        'delta_1': f'{LOSS}.delta=1',
        'loss_weight_0.5': f'{LOSS}.loss_weight=0.5',
        'loss_weight_2': f'{LOSS}.loss_weight=2',
    },
    'ap': {
        'delta_0.5': f'{LOSS}.delta=0.5',
        'not_interpolated': f'{LOSS}.interpolate=False',
    },
}
VARIANTS = [
    Variant(name, loss, overrides)
    for loss in ('focal_giou', 'ap', 'alrp', 'rs')
    for name, overrides in {**OF_ONE.get(loss, {}), **OF_IOU_LOSSES, **OF_ALL}.items()
]


def parse_variant(text: str) -> Variant:
    """A variant written as ``NAME:LOSS:KEY=VALUE [KEY=VALUE ...]``.

    Raises:
        ValueError: If it is not written so, or the loss is unknown.
    """
    parts = text.split(':', 2)
    if len(parts) != 3 or not all(parts) or '=' not in parts[2]:
        raise ValueError(f'expected NAME:LOSS:KEY=VALUE, got {text!r}')
    name, loss, overrides = parts
    if loss not in LOSSES:
        raise ValueError(f'{text!r} names the loss {loss!r}, expected one of {", ".join(LOSSES)}')
    if not name.replace('.', '').replace('-', '_').isidentifier():
        raise ValueError(f'{text!r}: the name may have letters, digits and "_", "-", "."')
    return Variant(name, loss, overrides)


def variant_runs(runs: list[Run], variants: list[Variant]) -> list[Run]:
    """Each run as it is, then with each variant of its loss."""
    return [
        replace(run, variant=name, overrides=overrides)
        for run in runs
        for name, loss, overrides in [Variant('', run.loss, ''), *variants]
        if loss == run.loss
    ]


def with_unchanged(rows: list[dict], others: list[dict]) -> list[dict]:
    """Rows of variants, with those of the runs without a change that only other files have."""
    unchanged = {replace(run_of(row), variant='', overrides='') for row in rows}
    missing = unchanged - {run_of(row) for row in rows}
    return [*rows, *(row for row in others if run_of(row) in missing)]
