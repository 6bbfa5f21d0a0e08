"""The command line of ``alrp lrp``, and checks of its files."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from ..files import output_problem
from .by_class import check_unique
from .class_table import COMPARED
from .inputs import GroundTruth
from .panoptic import table as panoptic
from .panoptic.files import is_panoptic
from .tasks import IOU_TYPES, RULES, TASKS, Task

OUTPUTS = 'json', 'csv', 'thresholds', 'html'
COLUMNS = [*dict.fromkeys(column for task in TASKS.values() for column in task.class_columns)]
SORTS = *COLUMNS, *COMPARED
PANOPTIC_SORTS = *panoptic.COLUMNS, *panoptic.COMPARED
DETECTION_OPTIONS = (
    'iou_type',
    'rules',
    'sigmas',
    'max_dets',
    'thresholds',
    'calibration',
    'errors',
    'images',
)
OF_BOXES_AND_MASKS = 'errors', 'images', 'calibration'
NUM_RESAMPLES = 200
PANOPTIC_OPTIONS = 'gt_masks', 'masks', 'compare_masks', 'jobs'


def parse_args(argv: list[str] | None, description: str | None = None) -> argparse.Namespace:
    """Parse the command line, and exit if it is wrong."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        'ground_truth', metavar='GT', help='annotations in COCO, LVIS or COCO panoptic format'
    )
    parser.add_argument('results', metavar='RESULTS', help='results in the same format')
    parser.add_argument('--compare', metavar='RESULTS', help='other results on the same images')
    parser.add_argument(
        '--bootstrap',
        type=int,
        metavar='N',
        help='resamples of the images that --compare draws for 95 %% confidence intervals; 0 for '
        f'no intervals (default: {NUM_RESAMPLES})',
    )
    parser.add_argument(
        '--iou-type',
        choices=IOU_TYPES,
        help='boxes, masks or keypoints (default: what RESULTS has: keypoints, else boxes, else '
        'masks)',
    )
    parser.add_argument(
        '--rules',
        choices=RULES,
        help="the rules of COCO or LVIS (default: LVIS's if GT has the keys of LVIS, else COCO's)",
    )
    parser.add_argument(
        '--sigmas',
        nargs='+',
        type=float,
        metavar='SIGMA',
        help='of each keypoint (default: known for 17 keypoints, as in COCO, and 14, as in '
        'CrowdPose)',
    )
    parser.add_argument(
        '--max-dets',
        nargs='+',
        type=int,
        metavar='N',
        help='limits on the detections per image and class, or per image for LVIS; LRP uses the '
        'largest (default: 1 10 100; 20 for keypoints; 300 for LVIS)',
    )
    parser.add_argument(
        '--sort',
        choices=dict.fromkeys([*SORTS, *PANOPTIC_SORTS]),
        metavar='COLUMN',
        help=f'sort classes by this column, worst first: {", ".join(SORTS)} (default: oLRP); '
        f'panoptic: {", ".join(PANOPTIC_SORTS)} (default: LRP)',
    )
    parser.add_argument(
        '--errors',
        action='store_const',
        const=True,
        help='print what each type of error costs in AP and oLRP; of boxes and masks',
    )
    parser.add_argument('--json', metavar='OUT', help='write the summary, and LRP by class')
    parser.add_argument('--csv', metavar='OUT', help='write the table of classes')
    parser.add_argument(
        '--thresholds',
        metavar='OUT',
        help='write the LRP-optimal score thresholds, as CocoLRPMetric does',
    )
    parser.add_argument(
        '--calibration',
        action='store_true',
        default=None,
        help='add the calibration errors LaECE_0 and LaACE_0: whether scores mean the IoU',
    )
    parser.add_argument('--html', metavar='OUT', help='write a report with curves; needs plotly')
    parser.add_argument(
        '--images', metavar='DIR', help='show the worst errors in the report; needs pillow'
    )
    group = parser.add_argument_group('panoptic segmentation, found from GT')
    group.add_argument(
        '--gt-masks', metavar='DIR', help='folder of PNGs of GT (default: GT without .json)'
    )
    group.add_argument(
        '--masks', metavar='DIR', help='folder of PNGs of RESULTS (default: RESULTS without .json)'
    )
    group.add_argument(
        '--compare-masks', metavar='DIR', help='folder of PNGs of --compare, likewise'
    )
    group.add_argument(
        '--jobs', type=int, metavar='N', help='processes that read PNGs (default: all cores)'
    )
    parser.add_argument('--force', action='store_true', help='overwrite existing files')
    args = parser.parse_args(argv)
    if args.sort in (*COMPARED, *panoptic.COMPARED) and args.compare is None:
        parser.error(f'--sort {args.sort} needs --compare')
    if args.jobs is not None and args.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {args.jobs}')
    if args.images is not None and args.html is None:
        parser.error('--images needs --html')
    if args.bootstrap is not None and args.compare is None:
        parser.error('--bootstrap needs --compare')
    if args.bootstrap is not None and args.bootstrap < 0:
        parser.error(f'--bootstrap must be at least 0, got {args.bootstrap}')
    return args


def set_defaults(args: argparse.Namespace) -> None:
    """Find the task from the ground truth, refuse options of the other task, set the defaults."""
    args.panoptic = is_panoptic(args.ground_truth)
    others: tuple[str, ...] = PANOPTIC_OPTIONS
    task, sorts = 'boxes, masks and keypoints', SORTS
    if args.panoptic:
        task, sorts, others = 'panoptic segmentation', PANOPTIC_SORTS, DETECTION_OPTIONS
    for name in others:
        if getattr(args, name) is not None:
            sys.exit(
                f'error: --{name.replace("_", "-")} has no meaning for {task}, and '
                f'{args.ground_truth} has {"" if args.panoptic else "no "}segments_info'
            )
    if args.compare is not None and args.bootstrap is None:
        args.bootstrap = NUM_RESAMPLES
    args.sort = args.sort or ('LRP' if args.panoptic else 'oLRP')
    if args.sort not in sorts:
        sys.exit(f'error: --sort {args.sort} is not a column for {task}: use {", ".join(sorts)}')


def check_files(args: argparse.Namespace) -> None:
    """Exit with an error if an input is missing or an output cannot be written."""
    inputs = [p for p in (args.ground_truth, args.results, args.compare) if p is not None]
    for path in inputs:
        if not Path(path).is_file():
            sys.exit(f'error: no such file: {path}')
    set_defaults(args)
    if args.images is not None and not Path(args.images).is_dir():
        sys.exit(f'error: no such folder: {args.images}')
    if args.compare is not None and os.path.samefile(args.results, args.compare):
        sys.exit(f'error: RESULTS and --compare are the same file: {args.compare}')
    outputs = [path for path in map(vars(args).get, OUTPUTS) if path is not None]
    if len({Path(path).resolve() for path in outputs}) < len(outputs):
        sys.exit(f'error: two outputs are the same file: {" ".join(outputs)}')
    for path in outputs:
        problem = output_problem(path, inputs, args.force)
        if problem is not None:
            sys.exit(f'error: {problem}')
    needed = []
    if args.html is not None:
        modules = ['jinja2'] if args.panoptic else ['plotly', 'jinja2']
        needed += [('--html', module) for module in modules]
    if args.images is not None and importlib.util.find_spec('PIL') is None:
        sys.exit('error: --images needs Pillow: pip install pillow')
    needed += [('--iou-type segm', 'pycocotools')] if args.iou_type == 'segm' else []
    if args.panoptic and not any(map(importlib.util.find_spec, ('kornia_rs', 'cv2'))):
        needed.append(('panoptic segmentation', 'kornia-rs'))
    for option, package in needed:
        if importlib.util.find_spec(package.replace('-', '_')) is None:
            sys.exit(f'error: {option} needs {package}: pip install {package}')


def check_task(args: argparse.Namespace, task: Task, truth: GroundTruth) -> None:
    """Check the options that depend on the task, before the results are read.

    Raises:
        ValueError: If one does not fit.
    """
    columns = [*task.class_columns, *(COMPARED if args.compare is not None else ())]
    if args.sort not in columns:
        raise ValueError(f'{task}: no column {args.sort} to sort by: {", ".join(columns)}')
    if args.thresholds is not None:
        check_unique(truth.names, 'thresholds')
    if task.iou_type == 'keypoints':
        for option in OF_BOXES_AND_MASKS:
            if getattr(args, option):
                raise ValueError(f'--{option} is for boxes and masks, not for keypoints')
