"""The detectors that a project can train, and how each is trained."""

from dataclasses import dataclass


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
    """

    config: str
    base_batch_size: int
    decay: str


SCHEDULE_1X = Schedule('schedule_1x.py', 16, 'steps')


@dataclass(frozen=True)
class Recipe:
    """A detector and how to train it.

    Attributes:
        title (str): Name of the detector in texts.
        architecture (str): Key of ``config_writer.MODEL_TEMPLATES``.
        model_config (str): File in configs/_base_/models.
        lr (float): Learning rate for ``schedule.base_batch_size``.
        anchors (Anchors | None): None if the detector is anchor-free.
        schedule (Schedule): Schedule to start from.
        max_scale (tuple[int, int]): Upper limits of the long and short side of a resized image,
            pixels.
    """

    title: str
    architecture: str
    model_config: str
    lr: float
    anchors: Anchors | None = None
    schedule: Schedule = SCHEDULE_1X
    max_scale: tuple[int, int] = (1344, 800)


STRIDES, RATIOS = (8, 16, 32, 64, 128), (0.5, 1.0, 2.0)
RETINANET_ANCHORS = Anchors(STRIDES, (1, 2**0.5), RATIOS, 4)
RECIPES = {
    'atss': Recipe(
        'ATSS',
        'one-stage',
        'alrp_atss_r50_fpn.py',
        0.004,
        Anchors(STRIDES, (1, 2**0.5), (1.0,), 4),
    ),
    'retinanet': Recipe(
        'RetinaNet', 'one-stage', 'alrp_retinanet_r50_fpn.py', 0.004, RETINANET_ANCHORS
    ),
    'foveabox': Recipe('FoveaBox', 'anchor-free', 'alrp_fovea_r50_fpn.py', 0.004),
    'faster-rcnn': Recipe(
        'Faster R-CNN',
        'two-stage',
        'alrp_faster-rcnn_r50_fpn.py',
        0.006,
        Anchors((4, 8, 16, 32, 64), (1,), RATIOS, 8),
    ),
    # For machines without a GPU; trained from scratch.
    'retinanet-small': Recipe(
        'A small RetinaNet',
        'one-stage',
        'alrp_retinanet_r18_fpn-gn_small.py',
        0.002,
        RETINANET_ANCHORS,
        Schedule('schedule_12e_small_adamw.py', 4, 'cosine'),
        (544, 320),
    ),
}
