"""The detectors that a project can train, and how each is trained."""

from dataclasses import dataclass, field, replace

LOSSES = dict(rs='RS Loss', alrp='aLRP Loss', ap='AP Loss')
DEFAULT_LOSS = 'rs'  # the best of the three on small datasets: docs/models.md
SMALL_DETECTOR = 'retinanet-small'  # for machines without a GPU


@dataclass(frozen=True)
class Anchors:
    """The anchors of a detector, except for their base scale.

    Attributes:
        strides (tuple[int, ...]): Stride of each level in pixels.
        octaves (tuple[float, ...]): Multiples of the base scale.
        ratios (tuple[float, ...]): Height over width.
        default_scale (int): Base scale for COCO, in strides.
    """

    strides: tuple[int, ...]
    octaves: tuple[float, ...]
    ratios: tuple[float, ...]
    default_scale: int

    def scales(self, base_scale: int) -> list[float]:
        """Square roots of the anchor areas, in strides."""
        return [base_scale * octave for octave in self.octaves]


@dataclass(frozen=True)
class Schedule:
    """A training schedule.

    Attributes:
        config (str): File in configs/_base_/schedules.
        base_batch_size (int): Images per step that the learning rate is meant for.
        decay (str): How the learning rate falls, a key of ``config_writer.LR_DECAYS``.
        lr_factors (dict[str, float]): Multiples of the learning rate by loss. Defaults to 1.
        clip_norm (int): Largest norm of the gradients. Defaults to 10.
    """

    config: str
    base_batch_size: int
    decay: str
    lr_factors: dict[str, float] = field(default_factory=dict)
    clip_norm: int = 10


# Clipping at 1 gained AP on average with every loss: docs/results.md#tuning.
SCHEDULE_SMALL = Schedule('schedule_12e_small_pretrained.py', 4, 'cosine', clip_norm=1)
# The published learning rates: 0.004, 0.008 and 0.001 for one-stage detectors.
SCHEDULE_1X = Schedule('schedule_1x.py', 16, 'steps', dict(rs=2, ap=0.25))


@dataclass(frozen=True)
class Recipe:
    """A detector and how to train it.

    Attributes:
        title (str): Name of the detector in texts.
        architecture (str): Key of ``config_writer.MODEL_TEMPLATES``.
        model (str): Part of the name of ``model_config``, without the loss.
        lr (float): Learning rate for ``schedule.base_batch_size``.
        anchors (Anchors | None): None if the detector is anchor-free.
        rs_anchors (Anchors | None): Anchors with RS Loss, if they differ.
        schedule (Schedule): Schedule to start from.
        max_scale (tuple[int, int]): Upper limits of the long and short side of a resized image,
            pixels.
        masks (bool): Whether the detector has masks.
        loss (str): Key of ``LOSSES``.
    """

    title: str
    architecture: str
    model: str
    lr: float
    anchors: Anchors | None = None
    rs_anchors: Anchors | None = None
    schedule: Schedule = SCHEDULE_1X
    max_scale: tuple[int, int] = (1344, 800)
    masks: bool = False
    loss: str = DEFAULT_LOSS

    @property
    def model_config(self) -> str:
        """File in configs/_base_/models."""
        return f'{self.loss}_{self.model}.py'

    def with_loss(self, loss: str) -> 'Recipe':
        """The recipe with another loss, its learning rate and anchors."""
        return replace(
            self,
            loss=loss,
            lr=self.lr * self.schedule.lr_factors.get(loss, 1),
            anchors=(self.rs_anchors if loss == 'rs' else None) or self.anchors,
        )


STRIDES, RATIOS = (8, 16, 32, 64, 128), (0.5, 1.0, 2.0)
RETINANET_ANCHORS = Anchors(STRIDES, (1, 2**0.5), RATIOS, 4)
RPN_ANCHORS = Anchors((4, 8, 16, 32, 64), (1,), RATIOS, 8)
RECIPES = {  # with aLRP Loss
    'atss': Recipe(
        'ATSS',
        'one-stage',
        'atss_r50_fpn',
        0.004,
        Anchors(STRIDES, (1, 2**0.5), (1.0,), 4),
        Anchors(STRIDES, (1, 2 ** (1 / 3), 2 ** (2 / 3)), (1.0,), 4),
    ),
    'retinanet': Recipe('RetinaNet', 'one-stage', 'retinanet_r50_fpn', 0.004, RETINANET_ANCHORS),
    'foveabox': Recipe('FoveaBox', 'anchor-free', 'fovea_r50_fpn', 0.004),
    'faster-rcnn': Recipe('Faster R-CNN', 'two-stage', 'faster-rcnn_r50_fpn', 0.006, RPN_ANCHORS),
    'mask-rcnn': Recipe(
        'Mask R-CNN', 'two-stage', 'mask-rcnn_r50_fpn', 0.006, RPN_ANCHORS, masks=True
    ),
    SMALL_DETECTOR: Recipe(
        'A small RetinaNet',
        'one-stage',
        'retinanet_mobilenetv2_fpn',
        0.001,
        RETINANET_ANCHORS,
        schedule=SCHEDULE_SMALL,
        max_scale=(544, 320),
    ),
}
