"""The task and the ground truth of an evaluation, before the results are read."""

from collections.abc import Sequence

from ..coco import load_json
from .arrays import first_entries
from .inputs import GroundTruth, read_ground_truth
from .tasks import Task, find_iou_type, find_task


def open_ground_truth(
    ground_truth: object,
    results: object,
    iou_type: str | None,
    rules: str | None,
    sigmas: Sequence[float] | None = None,
) -> tuple[GroundTruth, Task]:
    """Find out the task, and read the ground truth.

    Args:
        ground_truth (object): Path of a file of COCO-format annotations, or its content.
        results (object): The results, of which only the keys are looked at.
        iou_type (str, optional): ``bbox``, ``segm`` or ``keypoints``. None takes what the results
            have.
        rules (str, optional): ``coco`` or ``lvis``. None takes the rules of the ground truth.
        sigmas (Sequence[float], optional): Of each keypoint. None takes known ones.

    Returns:
        tuple[GroundTruth, Task]: The objects, and the rules.

    Raises:
        OSError: If a file cannot be opened.
        ValueError: If a value is malformed, or there is no such task.
    """
    content, where = load_json(ground_truth, 'the ground truth')
    if iou_type is None:
        iou_type = find_iou_type(content, first_entries(results, 'the results'))
    task = find_task(content, iou_type, rules, sigmas)
    return read_ground_truth(content, task, where), task
