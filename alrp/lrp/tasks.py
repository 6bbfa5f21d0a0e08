"""What differs between the evaluations of boxes, masks, keypoints and LVIS.

A ``Task`` is a specification: the matching, the counting and the outputs are the same for all. The
rules are those of the published evaluations: pycocotools for COCO, the package lvis for LVIS.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..coco import ANYTHING, NUMBER, TEXT, Types
from .iou_types import BOXES, MASKS, Entry, IouType, keypoints
from .sigmas import find_sigmas, names_problem
from .types import BoolArray

RULES = 'coco', 'lvis'
LVIS_LISTS = 'neg_category_ids', 'not_exhaustive_category_ids'
LRP_COMPONENTS = ['oLRP', 'oLRP_loc', 'oLRP_fp', 'oLRP_fn']
AT_THRESHOLD = ['precision', 'recall', 'F1']
FREQUENCIES = dict(r='rare', c='common', f='frequent')

Range = tuple[float, float]
AREAS: Mapping[str, Range] = dict(
    all=(0, 1e10), small=(0, 32**2), medium=(32**2, 96**2), large=(96**2, 1e10)
)


def _is_crowd(annotation: Entry) -> bool:
    return bool(annotation.get('iscrowd'))


def _is_crowd_or_unlabelled(annotation: Entry) -> bool:
    return _is_crowd(annotation) or annotation['num_keypoints'] == 0


def _is_ignored(annotation: Entry) -> bool:
    return bool(annotation.get('ignore'))


def _never(annotation: Entry) -> bool:
    return False


@dataclass(frozen=True)
class Task:
    """The specification of an evaluation. The defaults are COCO's, for boxes and masks.

    Attributes:
        iou_type (str): ``bbox``, ``segm`` or ``keypoints``.
        rules (str): ``coco`` or ``lvis``.
        similarity (IouType): The regions, and how close two of them are.
        areas (Mapping[str, tuple[float, float]]): Ranges of areas in square pixels, by name. Both
            ends belong to a range. The first one is ``all``.
        max_dets (tuple[int, ...]): The default limits on detections.
        limit_per_image (bool): Whether a limit holds for an image, over all classes, not for each
            image and class.
        ignored (Callable[[dict], bool]): Whether an annotation counts neither for nor against the
            detector.
        crowd (Callable[[dict], bool]): Whether an annotation can be matched any number of times.
        required (Mapping[str, Mapping[str, tuple]]): Keys that entries need in addition, with the
            types of their values: by list, ``images`` for example.
        federated (bool): Whether each image lists the classes that were searched for. Detections of
            other classes, and objects and detections without area, are left out.
        area_of_box (bool): Whether the area of its ``bbox`` is the area of a detection, if the
            first detection has one.
        own_area (bool): Whether the area of an object must be in the file. Otherwise the area
            of its region can replace it.
        groups (Mapping[str, str]): Names of groups of classes by the value of a category's
            ``frequency``.
        sigmas (tuple[float, ...]): The standard deviation of each keypoint, relative to the size of
            the object.
        ap_limit (int | None): The limit on detections at which the summary has AP. None for the
            largest.
        recalls (str): The recalls in the summary: ``limits`` for one at each limit, ``AR100`` for
            example, ``thresholds`` for one at each IoU, ``AR50`` for example.
        recall_of_size (str): Name of the recall in a range of areas.
        per_class_ap (bool): Whether the JSON output has AP and AR of each class.
        first_optimum (bool): What to report where no threshold gives an LRP error below 1 although
            there are true positives. True for the best detection, even a false positive, as in the
            published evaluation; False for the best true positive.
    """

    iou_type: str
    rules: str
    similarity: IouType
    areas: Mapping[str, Range] = field(default_factory=lambda: AREAS)
    max_dets: tuple[int, ...] = (1, 10, 100)
    limit_per_image: bool = False
    ignored: Callable[[Entry], bool] = _is_crowd
    crowd: Callable[[Entry], bool] = _is_crowd
    required: Mapping[str, Mapping[str, Types]] = field(default_factory=dict)
    federated: bool = False
    area_of_box: bool = False
    own_area: bool = False
    groups: Mapping[str, str] = field(default_factory=dict)
    sigmas: tuple[float, ...] = ()
    ap_limit: int | None = 100
    recalls: str = 'limits'
    recall_of_size: str = 'AR{size}'
    per_class_ap: bool = False
    first_optimum: bool = False

    def __str__(self) -> str:
        return f'{self.iou_type}, {self.rules.upper()} rules'

    @property
    def sizes(self) -> dict[str, int]:
        """Position of each range of areas but the first, by suffix: ``_s`` for small."""
        return {f'_{name[0]}': i for i, name in enumerate(self.areas) if i}

    @property
    def parts(self) -> dict[str, str]:
        """Names of the ranges of areas but the first, and of the groups of classes, by suffix."""
        sizes = {suffix: list(self.areas)[i] for suffix, i in self.sizes.items()}
        return sizes | {f'_{group}': name for group, name in self.groups.items()}

    @property
    def measure(self) -> str:
        """What the similarity is called."""
        return 'OKS' if self.iou_type == 'keypoints' else 'IoU'

    @property
    def class_columns(self) -> list[str]:
        """Columns of the table of classes."""
        group = ['frequency'] if self.groups else []
        numbers = [*self.ap_columns[:3], *self.lrp_columns, 'threshold']
        return ['class', *group, 'objects', *numbers, *AT_THRESHOLD]

    @property
    def ap_columns(self) -> list[str]:
        """Names of a class's values of AP."""
        return ['AP', 'AP50', 'AP75', *(f'AP{size}' for size in self.sizes)]

    @property
    def lrp_columns(self) -> list[str]:
        """Names of a class's values of LRP."""
        return [*LRP_COMPONENTS, *(f'oLRP{size}' for size in self.sizes)]

    def limits(self, max_dets: Sequence[int]) -> str:
        """What the largest limit means, for a message."""
        return f'at most {max(max_dets)} per image' + ('' if self.limit_per_image else ' and class')

    def in_areas(self, area: np.ndarray[Any, Any]) -> BoolArray:
        """Whether each area is in each range: (N,) to (A, N), bool."""
        return np.stack([(low <= area) & (area <= high) for low, high in self.areas.values()])


_KEYPOINTS = Task(
    iou_type='keypoints',
    rules='coco',
    similarity=keypoints(()),
    areas={name: area for name, area in AREAS.items() if name != 'small'},
    max_dets=(20,),
    ignored=_is_crowd_or_unlabelled,
    required=dict(annotations=dict(num_keypoints=NUMBER, bbox=ANYTHING)),
    area_of_box=True,
    own_area=True,
    ap_limit=None,
    recalls='thresholds',
    per_class_ap=True,
    first_optimum=True,
)


def _lvis(iou_type: str, similarity: IouType) -> Task:
    return Task(
        iou_type=iou_type,
        rules='lvis',
        similarity=similarity,
        max_dets=(300,),
        limit_per_image=True,
        ignored=_is_ignored,
        crowd=_never,
        required=dict(images=dict.fromkeys(LVIS_LISTS, ANYTHING), categories=dict(frequency=TEXT)),
        federated=True,
        area_of_box=True,
        own_area=True,
        groups=FREQUENCIES,
        ap_limit=None,
        recall_of_size='AR{limit}{size}',
        per_class_ap=True,
        first_optimum=True,
    )


TASKS: Mapping[tuple[str, str], Task] = {
    (task.iou_type, task.rules): task
    for task in (
        Task('bbox', 'coco', BOXES),
        Task('segm', 'coco', MASKS),
        _KEYPOINTS,
        _lvis('bbox', BOXES),
        _lvis('segm', MASKS),
    )
}
IOU_TYPES = tuple(dict.fromkeys(iou_type for iou_type, _ in TASKS))


def find_task(
    ground_truth: object,
    iou_type: str = 'bbox',
    rules: str | None = None,
    sigmas: Sequence[float] | None = None,
) -> Task:
    """The specification for a ground truth.

    Args:
        ground_truth (object): Parsed content of an annotation file, which need not be valid.
        iou_type (str): ``bbox``, ``segm`` or ``keypoints``.
        rules (str, optional): ``coco`` or ``lvis``. Defaults to the rules of the ground truth.
        sigmas (Sequence[float], optional): Positive numbers, one per keypoint. Defaults to COCO's
            for 17 keypoints and CrowdPose's for 14.

    Returns:
        Task: The specification.

    Raises:
        ValueError: If there is no such task, or if the sigmas are unknown or malformed.
    """
    if iou_type not in IOU_TYPES:
        raise ValueError(f'iou_type must be one of {", ".join(IOU_TYPES)}, got {iou_type!r}')
    if rules is None:
        rules = 'lvis' if is_lvis(ground_truth) and (iou_type, 'lvis') in TASKS else 'coco'
    if rules not in RULES:
        raise ValueError(f'rules must be one of {", ".join(RULES)}, got {rules!r}')
    if (iou_type, rules) not in TASKS:
        raise ValueError(f'{rules.upper()} has no rules for {iou_type}')
    task = TASKS[iou_type, rules]
    if iou_type != 'keypoints':
        if sigmas is not None:
            raise ValueError(f'sigmas are for iou_type keypoints, got iou_type {iou_type!r}')
        return task
    found = find_sigmas(ground_truth, sigmas)
    problem = names_problem(ground_truth) if sigmas is None else None
    if problem is not None:
        warnings.warn(problem, stacklevel=4)
    return replace(task, sigmas=found, similarity=keypoints(found))


def find_iou_type(ground_truth: object, results: object) -> str:
    """The type of IoU that a ground truth and results are for.

    Results with keypoints are evaluated as keypoints, if the ground truth has any; others as boxes,
    if they have boxes, with a warning if they have masks, too; else as masks. Without results, the
    ground truth decides between keypoints and boxes.

    Args:
        ground_truth (object): Parsed content of an annotation file, which need not be valid.
        results (object): Parsed content of a file of results, which need not be valid.

    Returns:
        str: ``bbox``, ``segm`` or ``keypoints``.
    """
    annotations = list_of_dicts(ground_truth, 'annotations')
    detections = list_of_dicts(dict(results=results), 'results')
    if isinstance(results, dict):
        detections = list_of_dicts(results, 'annotations')
    keys = set().union(*detections) if detections else {'bbox', 'keypoints'}
    if 'keypoints' in keys and any('keypoints' in annotation for annotation in annotations):
        return 'keypoints'
    if 'bbox' not in keys and 'segmentation' in keys:
        return 'segm'
    if any(entry.get('segmentation') and entry.get('bbox') for entry in detections):
        warnings.warn(
            'the results have boxes and masks: boxes are evaluated. For masks, set the IoU type to '
            'segm (--iou-type segm)',
            stacklevel=4,
        )
    return 'bbox'


def is_lvis(ground_truth: object) -> bool:
    """Whether a ground truth has the keys of LVIS, in any image or category."""
    images = list_of_dicts(ground_truth, 'images')
    categories = list_of_dicts(ground_truth, 'categories')
    return any(key in image for image in images for key in LVIS_LISTS) or any(
        isinstance(c.get('frequency'), str) and c['frequency'] in FREQUENCIES for c in categories
    )


def list_of_dicts(content: object, key: str) -> list[Entry]:
    """The dicts in a list of the content; empty if there is no such list."""
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list | tuple):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]
