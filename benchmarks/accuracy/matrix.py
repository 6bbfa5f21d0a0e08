"""What is compared: datasets, detectors, losses and seeds."""

from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / 'configs' / '_base_' / 'models'
SEEDS = (0, 1, 2, 3, 4)
# The seed, datasets and detector of all choices. The seed is not used for anything else. The
# datasets are a hard and an easy one: their best learning rates differ.
TUNING_SEED = 100
TUNING_DATASETS = ('aquarium', 'chess')
TUNING_DETECTOR = 'retinanet'
LEARNING_RATES = (0.001, 0.0004, 0.0025)
CLIP_NORMS = (1.0, 10.0)
BASELINE = 'focal_giou'


@dataclass(frozen=True)
class Dataset:
    """A dataset in COCO format: ``images/`` and ``annotations/instances_{train,val}.json``.

    Attributes:
        title (str): Name in tables.
        epochs (int): Chosen so that every dataset gets 510 to 560 steps of four images.
        val_interval (int): Epochs between evaluations, for the learning curve.
    """

    title: str
    epochs: int
    val_interval: int


DATASETS = dict(
    aquarium=Dataset('Aquarium', 5, 1),
    chess=Dataset('Chess pieces', 10, 2),
    boggle=Dataset('Boggle', 8, 2),
    bccd=Dataset('BCCD', 10, 2),
)
DETECTORS = dict(retinanet='RetinaNet', atss='ATSS')


@dataclass(frozen=True)
class Loss:
    """A classification loss with a localisation loss.

    Attributes:
        title (str): Name in tables.
        loss_cls (dict): Config of the classification loss.
        loss_bbox (dict): Config of the localisation loss.
        setting (str): What is tuned besides the learning rate, a key of ``bbox_head``.
        values (tuple[float, ...]): Values of ``setting`` to choose from, the usual one first.
        ranks (bool): Whether ``loss_cls`` is a ranking loss.
        decoded (bool): Whether ``loss_bbox`` compares boxes.
    """

    title: str
    loss_cls: dict
    loss_bbox: dict
    setting: str
    values: tuple[float, ...]
    ranks: bool = True
    decoded: bool = True

    @property
    def settings(self) -> tuple[str, ...]:
        """The values to choose from as ``KEY=VALUE``."""
        return tuple(f'{self.setting}={value:g}' for value in self.values)


FOCAL = dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0)
GIOU = dict(type='GIoULoss')
BOX_WEIGHT = 'loss_bbox.loss_weight'
BALANCED_BOX_WEIGHT = 'loss_cls.bbox_weight'
LOSSES = dict(
    focal_giou=Loss('focal + GIoU', FOCAL, GIOU, BOX_WEIGHT, (2.0, 1.0, 4.0), ranks=False),
    # The box coder divides by 0.1 and 0.2, so 0.1 corresponds to MMDetection's weight of 1.
    focal_l1=Loss(
        'focal + L1',
        FOCAL,
        dict(type='L1Loss'),
        BOX_WEIGHT,
        (0.3, 0.1, 1.0),
        ranks=False,
        decoded=False,
    ),
    ap=Loss('AP + GIoU', dict(type='APLoss'), GIOU, BOX_WEIGHT, (2.0, 1.0, 4.0)),
    # These two balance boxes with classification. Theirs is a weight on top, 1 as published.
    alrp=Loss(
        'aLRP',
        # As published, the balance changes after each epoch: too rarely for five epochs.
        dict(type='aLRPLoss', self_balance=dict(interval=10)),
        GIOU,
        BALANCED_BOX_WEIGHT,
        (1.0, 2.0, 4.0),
    ),
    rs=Loss('RS', dict(type='RankSortLoss'), GIOU, BALANCED_BOX_WEIGHT, (1.0, 2.0, 4.0)),
)


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        dataset (str): Key of ``DATASETS``.
        detector (str): Key of ``DETECTORS``, or another detector with base configs.
        loss (str): Key of ``LOSSES``.
        seed (int): Seed of weights, augmentation and order.
        lr (float): Learning rate of neck and head.
        setting (str): The tuned setting of the loss, ``KEY=VALUE``.
        clip_norm (float): Gradients are scaled down to this norm.
        epochs (int): Number of epochs.
        variant (str): Name of a change to the config. Defaults to '', for none.
        overrides (str): The change: options of ``tools/train.py --cfg-options``.
    """

    dataset: str
    detector: str
    loss: str
    seed: int
    lr: float
    setting: str
    clip_norm: float
    epochs: int
    variant: str = ''
    overrides: str = ''

    @property
    def name(self) -> str:
        """Unique name."""
        value = self.setting.partition('=')[2]
        parts = (self.dataset, self.detector, self.loss, f'seed{self.seed}', f'lr{self.lr:g}')
        parts += (value, f'clip{self.clip_norm:g}', f'{self.epochs}e')
        return '_'.join([*parts, *filter(None, [self.variant])])


# What the report expects: the losses and seeds of each detector, on all datasets.
PLAN = dict(retinanet=(tuple(LOSSES), SEEDS), atss=((BASELINE, 'ap', 'alrp', 'rs'), SEEDS[:3]))


def first_run(loss: str, epochs: int | None = None) -> Run:
    """The first run of a loss's tuning. All other runs differ from it in some fields."""
    return Run(
        dataset=TUNING_DATASETS[0],
        detector=TUNING_DETECTOR,
        loss=loss,
        seed=TUNING_SEED,
        lr=LEARNING_RATES[0],
        setting=LOSSES[loss].settings[0],
        clip_norm=CLIP_NORMS[0],
        epochs=epochs or DATASETS[TUNING_DATASETS[0]].epochs,
    )


def matrix(
    tuned: dict[str, Run],
    datasets: list[str],
    detectors: list[str],
    seeds: list[int],
    epochs: int | None = None,
) -> list[Run]:
    """All combinations, seed by seed, so that an unfinished matrix compares all losses.

    Args:
        tuned (dict[str, Run]): The best tuning run of each loss.
        datasets (list[str]): Keys of ``DATASETS``.
        detectors (list[str]): Detectors. Losses that a detector does not support are left out.
        seeds (list[int]): Seeds.
        epochs (int, optional): Replaces the epochs of all datasets.

    Returns:
        list[Run]: Runs.
    """
    return [
        replace(
            run,
            dataset=dataset,
            detector=detector,
            seed=seed,
            epochs=epochs or DATASETS[dataset].epochs,
        )
        for seed in seeds
        for detector in detectors
        for dataset in datasets
        for loss, run in tuned.items()
        if supports(detector, loss)
    ]


def supports(detector: str, loss: str) -> bool:
    """Whether a detector can be trained with a loss. ATSS's own head only compares boxes."""
    return LOSSES[loss].decoded or detector == 'retinanet'


def base_model(detector: str, loss: str) -> Path:
    """The base config of a detector: with ranking losses, or of the usual ones."""
    family = 'alrp' if LOSSES[loss].ranks else 'focal'
    return MODELS / f'{family}_{detector}_mobilenetv2_fpn.py'
