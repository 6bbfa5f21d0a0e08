"""Evaluate COCO-format results: AP or PQ, LRP, and the best score threshold of each class."""

import argparse
import contextlib
import csv
import importlib.util
import io
import itertools
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'alrp').is_dir():  # a clone, which need not be installed
    sys.path.insert(0, str(ROOT))

from alrp.files import output_problem, write_atomically  # noqa: E402
from alrp.lrp import (  # noqa: E402
    Evaluation,
    PanopticEvaluation,
    evaluate_lrp,
    evaluate_panoptic_lrp,
)
from alrp.lrp.class_table import class_table, thresholds_json  # noqa: E402
from alrp.lrp.evaluate import STEPS  # noqa: E402
from alrp.lrp.panoptic import table as panoptic  # noqa: E402
from alrp.lrp.panoptic.evaluate import STEPS as PANOPTIC_STEPS  # noqa: E402
from alrp.lrp.panoptic.files import is_panoptic  # noqa: E402
from alrp.lrp.report import make_panoptic_report, make_report  # noqa: E402
from alrp.lrp.summary import defined  # noqa: E402
from alrp.lrp.tasks import IOU_TYPES, RULES, TASKS  # noqa: E402
from alrp.text import format_table  # noqa: E402

OUTPUTS = 'json', 'csv', 'thresholds', 'html'
COLUMNS = [*dict.fromkeys(column for task in TASKS.values() for column in task.class_columns)]
COMPARED = 'other_oLRP', 'difference'
SORTS = *COLUMNS, *COMPARED
PANOPTIC_SORTS = *panoptic.COLUMNS, *panoptic.COMPARED
DETECTION_OPTIONS = 'iou_type', 'rules', 'sigmas', 'max_dets', 'thresholds', 'calibration'
PANOPTIC_OPTIONS = 'gt_masks', 'masks', 'compare_masks', 'jobs'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'ground_truth', metavar='GT', help='annotations in COCO, LVIS or COCO panoptic format'
    )
    parser.add_argument('results', metavar='RESULTS', help='results in the same format')
    parser.add_argument('--compare', metavar='RESULTS', help='other results on the same images')
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
    return args


def set_defaults(args: argparse.Namespace) -> None:
    """Find the task from the ground truth, refuse options of the other task, set the defaults."""
    args.panoptic = is_panoptic(args.ground_truth)
    task, sorts, others = 'boxes, masks and keypoints', SORTS, PANOPTIC_OPTIONS
    if args.panoptic:
        task, sorts, others = 'panoptic segmentation', PANOPTIC_SORTS, DETECTION_OPTIONS
    for name in others:
        if getattr(args, name) is not None:
            sys.exit(
                f'error: --{name.replace("_", "-")} has no meaning for {task}, and '
                f'{args.ground_truth} has {"" if args.panoptic else "no "}segments_info'
            )
    args.sort = args.sort or ('LRP' if args.panoptic else 'oLRP')
    if args.sort not in sorts:
        sys.exit(f'error: --sort {args.sort} is no column for {task}: use {", ".join(sorts)}')


def check_files(args: argparse.Namespace) -> None:
    """Exit with an error if an input is missing or an output cannot be written."""
    inputs = [p for p in (args.ground_truth, args.results, args.compare) if p is not None]
    for path in inputs:
        if not Path(path).is_file():
            sys.exit(f'error: no such file: {path}')
    set_defaults(args)
    if args.compare is not None and os.path.samefile(args.results, args.compare):
        sys.exit(f'error: RESULTS and --compare are the same file: {args.compare}')
    outputs = [path for path in map(vars(args).get, OUTPUTS) if path is not None]
    if len({Path(path).resolve() for path in outputs}) < len(outputs):
        sys.exit(f'error: two outputs are the same file: {" ".join(outputs)}')
    for path in outputs:
        problem = output_problem(path, inputs, args.force)
        if problem is not None:
            sys.exit(f'error: {problem}')
    needed = [('--html', 'plotly'), ('--html', 'jinja2')] if args.html is not None else []
    needed += [('--iou-type segm', 'pycocotools')] if args.iou_type == 'segm' else []
    if args.panoptic and not any(map(importlib.util.find_spec, ('kornia_rs', 'cv2'))):
        needed.append(('panoptic segmentation', 'kornia-rs'))
    for option, package in needed:
        if importlib.util.find_spec(package.replace('-', '_')) is None:
            sys.exit(f'error: {option} needs {package}: pip install {package}')


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show the current step on standard error if it is a terminal. Yields a function to call."""
    numbers = itertools.count(1)

    def show(step: str) -> None:
        print(f'\r\x1b[K[{next(numbers)}/{total}] {step}', end='', file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield lambda step: None
        return
    try:
        yield show
    finally:
        print('\r\x1b[K', end='', file=sys.stderr, flush=True)


def evaluate(
    args: argparse.Namespace, on_step: Callable[[str], None]
) -> tuple[dict[str, Evaluation], list[str]]:
    """One or two evaluations by file name, and warnings about their files."""
    paths = [args.results] if args.compare is None else [args.results, args.compare]
    names = [Path(path).name for path in paths]
    names = names if len(set(names)) == len(names) else paths
    evaluations: dict[str, Evaluation] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', UserWarning)
        for name, path in zip(names, paths):
            try:
                evaluations[name] = evaluate_file(args, path, on_step)
                if not args.panoptic:  # a comparison is of the same type
                    args.iou_type = evaluations[name].iou_type
            except ModuleNotFoundError as error:  # masks were found in the results
                sys.exit(f'error: masks need {error.name}: pip install {error.name}')
            except (OSError, ValueError) as error:
                print_warnings(messages_of(caught))
                sys.exit(f'error: {error}')
            if not args.panoptic and not len(evaluations[name].matches.score):
                warnings.warn(f'{path} has no detections: AP is 0 and oLRP is 1', stacklevel=1)
    return evaluations, messages_of(caught)


def evaluate_file(
    args: argparse.Namespace, path: str, on_step: Callable[[str], None]
) -> Evaluation | PanopticEvaluation:
    if not args.panoptic:
        return evaluate_lrp(
            args.ground_truth,
            path,
            args.iou_type,
            args.max_dets,
            on_step=on_step,
            rules=args.rules,
            sigmas=args.sigmas,
            calibration=bool(args.calibration),
        )
    masks = args.masks if path == args.results else args.compare_masks
    return evaluate_panoptic_lrp(
        args.ground_truth, path, args.gt_masks, masks, args.jobs, on_step=on_step
    )


def messages_of(caught: list[warnings.WarningMessage]) -> list[str]:
    return [*dict.fromkeys(str(warning.message) for warning in caught)]


def print_warnings(messages: list[str]) -> None:
    for message in messages:
        print(f'warning: {message}', file=sys.stderr)


def class_rows(evaluations: dict[str, Evaluation], sort: str) -> list[dict]:
    """The class table, worst first; of two, with the other's oLRP and the difference."""
    rows, *others = map(class_table, evaluations.values())
    for other in others:
        for row, theirs in zip(rows, other):
            row |= zip(COMPARED, (theirs['oLRP'], theirs['oLRP'] - row['oLRP']))
    descending = not sort.startswith(('class', 'frequency', 'AP'))

    def defined(row: dict) -> bool:
        return row[sort] == row[sort]

    rows.sort(key=lambda row: row['class'])
    ranked = sorted(filter(defined, rows), key=lambda row: row[sort], reverse=descending)
    return ranked + [row for row in rows if not defined(row)]


def print_panoptic_tables(
    evaluations: dict[str, PanopticEvaluation], rows: list[dict], columns: list
) -> None:
    print(panoptic.describe([*evaluations.values()]))
    print_table(panoptic.summary_rows(evaluations))
    print()
    print_table([columns, *([*map(row.get, columns)] for row in rows)])


def print_tables(evaluations: dict[str, Evaluation], rows: list[dict], columns: list) -> None:
    first, *others = evaluations.values()
    detections = ' and '.join(f'{len(e.matches.score):,}' for e in evaluations.values())
    num_objects = first.matches.num_objects[:, 0].sum()
    of_classes = ' of classes that were searched for' if first.task.federated else ''
    print(
        f'{first.task}: {first.num_images:,} images, {num_objects:,} objects, '
        f'{detections} detections{of_classes}, {first.task.limits(first.max_dets)}'
    )
    table = [['', *evaluations, *(['difference'] if others else [])]]
    for name, value in first.summary.items():
        values = [defined(v) for v in (value, *(other.summary[name] for other in others))]
        values += [other - values[0] for other in values[1:]]
        table.append([name, *values])
    print_table(table)
    print()
    print_table([columns, *([*map(row.get, columns)] for row in rows)])


def print_table(table: list[list]) -> None:
    """Print rows of numbers and text, the header first."""
    signs = ['+' if column == 'difference' else '' for column in table[0]]
    print(format_table([table[0], *([*map(shown, row, signs)] for row in table[1:])]))


def shown(value: str | int | float, sign: str = '') -> str:
    if isinstance(value, float):
        return f'{value:{sign}.3f}' if value == value else '-'
    return f'{value:,}' if isinstance(value, int) else value


def csv_of(rows: list[dict], columns: list) -> str:
    """The rows as CSV. Undefined values are empty cells."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ['id', *columns], extrasaction='ignore')
    writer.writeheader()
    writer.writerows({k: '' if v != v else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def main(argv: list[str] | None = None):
    args = parse_args(argv)
    check_files(args)
    num_files = 1 + (args.compare is not None)
    steps = PANOPTIC_STEPS if args.panoptic else STEPS
    with progress(num_files * len(steps) + (args.html is not None)) as on_step:
        evaluations, messages = evaluate(args, on_step)
        first = next(iter(evaluations.values()))
        if args.panoptic:
            columns, compared = [*panoptic.COLUMNS], panoptic.COMPARED
            report, print_all = make_panoptic_report, print_panoptic_tables
        else:
            columns, compared = first.task.class_columns, COMPARED
            report, print_all = make_report, print_tables
        columns = [*columns, *(compared if args.compare is not None else ())]
        if args.sort not in columns:
            sys.exit(f'error: {first.task}: no column {args.sort} to sort by: {", ".join(columns)}')
        if args.panoptic:
            rows = panoptic.class_rows([*evaluations.values()], args.sort)
        else:
            rows = class_rows(evaluations, args.sort)
        contents = {}
        try:
            if args.json is not None:
                contents[args.json] = json.dumps(first.to_dict(), allow_nan=False) + '\n'
            if args.csv is not None:
                contents[args.csv] = csv_of(rows, columns)
            if args.thresholds is not None:
                contents[args.thresholds] = thresholds_json(first, args.ground_truth)
            if args.html is not None:
                on_step('report')
                contents[args.html] = report(evaluations, Path(args.ground_truth).name)
            for path, content in contents.items():
                write_atomically(path, content.encode())
        except (OSError, ValueError) as error:
            sys.exit(f'error: {error}')
    print_warnings(messages)
    print_all(evaluations, rows, columns)
    for path in contents:
        print(f'Wrote {path}')


if __name__ == '__main__':
    main()
