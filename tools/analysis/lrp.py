"""Evaluate COCO-format results: AP or PQ, LRP, and the best score threshold of each class."""

import argparse
import contextlib
import csv
import dataclasses
import io
import itertools
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'alrp').is_dir():  # a clone, which need not be installed
    sys.path.insert(0, str(ROOT))

from alrp.files import write_atomically  # noqa: E402
from alrp.lrp import Evaluation, PanopticEvaluation, evaluate_panoptic_lrp  # noqa: E402
from alrp.lrp.arguments import check_files, check_task, parse_args  # noqa: E402
from alrp.lrp.average_precision import IOU_THRESHOLDS  # noqa: E402
from alrp.lrp.bootstrap import CONFIDENCE, Differences, compare  # noqa: E402
from alrp.lrp.checked import checked_limits  # noqa: E402
from alrp.lrp.class_table import COMPARED, class_rows, thresholds_json  # noqa: E402
from alrp.lrp.doubts import doubts  # noqa: E402
from alrp.lrp.errors import Errors, find_errors  # noqa: E402
from alrp.lrp.evaluate import STEPS, evaluate_results  # noqa: E402
from alrp.lrp.ground_truth import open_ground_truth  # noqa: E402
from alrp.lrp.panoptic import table as panoptic  # noqa: E402
from alrp.lrp.panoptic.evaluate import STEPS as PANOPTIC_STEPS  # noqa: E402
from alrp.lrp.report import make_panoptic_report, make_report  # noqa: E402
from alrp.lrp.text_tables import print_panoptic_tables, print_tables  # noqa: E402


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
) -> tuple[dict[str, Evaluation | PanopticEvaluation], list[str]]:
    """One or two evaluations by file name, and warnings about their files."""
    paths = [args.results] if args.compare is None else [args.results, args.compare]
    names = [Path(path).name for path in paths]
    names = names if len(set(names)) == len(names) else paths
    evaluate_files = evaluate_panoptic if args.panoptic else evaluate_detections
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', UserWarning)
        try:
            evaluations = dict(zip(names, evaluate_files(args, paths, on_step)))
        except ModuleNotFoundError as error:  # masks were found in the results
            sys.exit(f'error: masks need {error.name}: pip install {error.name}')
        except (OSError, ValueError) as error:
            print_warnings(messages_of(caught))
            sys.exit(f'error: {error}')
    return evaluations, messages_of(caught)


def evaluate_detections(
    args: argparse.Namespace, paths: list[str], on_step: Callable[[str], None]
) -> Iterator[Evaluation]:
    limits = checked_limits(args.max_dets)
    on_step(STEPS[0])
    truth, task = open_ground_truth(
        args.ground_truth, args.results, args.iou_type, args.rules, args.sigmas
    )
    check_task(args, task, truth)
    if truth.ignored.all():
        text = f'{args.ground_truth}: no objects to find: AP and LRP are undefined'
        warnings.warn(text, stacklevel=1)
    for path in paths:
        evaluation = evaluate_results(
            path, truth, task, limits, IOU_THRESHOLDS, on_step, bool(args.calibration)
        )
        for doubt in doubts(evaluation):
            warnings.warn(f'{path}: {doubt}', stacklevel=1)
        yield evaluation


def evaluate_panoptic(
    args: argparse.Namespace, paths: list[str], on_step: Callable[[str], None]
) -> Iterator[PanopticEvaluation]:
    for path, masks in zip(paths, (args.masks, args.compare_masks)):
        yield evaluate_panoptic_lrp(
            args.ground_truth, path, args.gt_masks, masks, args.jobs, on_step=on_step
        )


def messages_of(caught: list[warnings.WarningMessage]) -> list[str]:
    return [*dict.fromkeys(str(warning.message) for warning in caught)]


def print_warnings(messages: list[str]) -> None:
    for message in messages:
        print(f'warning: {message}', file=sys.stderr)


def comparison_json(
    args: argparse.Namespace,
    summary: dict[str, float],
    differences: Differences,
    errors: Sequence[Errors],
) -> dict:
    values = {name: dataclasses.asdict(d) for name, d in differences.items()}
    return dict(
        results=args.results,
        other=args.compare,
        summary=summary,
        num_resamples=args.bootstrap,
        confidence=CONFIDENCE,
        differences={name: with_null(difference) for name, difference in values.items()},
        **({'errors': errors[1].to_dict()} if errors else {}),
    )


def with_null(values: dict) -> dict:
    """Values for JSON, which has no NaN."""
    return {key: None if x != x else x for key, x in values.items()}


def csv_of(rows: list[dict], columns: list) -> str:
    """The rows as CSV. Undefined values are empty cells."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ['id', *columns], extrasaction='ignore')
    writer.writeheader()
    writer.writerows({k: '' if v != v else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def main(argv: list[str] | None = None):
    args = parse_args(argv, __doc__)
    check_files(args)
    num_files = 1 + (args.compare is not None)
    total = num_files * len(PANOPTIC_STEPS)
    if not args.panoptic:
        total = 1 + num_files * (len(STEPS) - 1)  # the ground truth is read once
    total += bool(args.bootstrap) + (args.html is not None)
    with progress(total) as on_step:
        evaluations, messages = evaluate(args, on_step)
        first = next(iter(evaluations.values()))
        if args.panoptic:
            columns, compared = [*panoptic.COLUMNS], panoptic.COMPARED
            report, print_all = make_panoptic_report, print_panoptic_tables
        else:
            columns, compared = first.task.class_columns, COMPARED
            report, print_all = make_report, print_tables
        columns = [*columns, *(compared if args.compare is not None else ())]
        if args.panoptic:
            rows = panoptic.class_rows([*evaluations.values()], args.sort)
        else:
            rows = class_rows([*evaluations.values()], args.sort)
        contents, differences, errors = {}, {}, []
        try:
            if args.bootstrap:
                on_step('bootstrap')
                differences = compare(*evaluations.values(), args.bootstrap)
            explains = args.html is not None and not args.panoptic and first.iou_type != 'keypoints'
            if args.errors:
                files = args.results, args.compare
                errors = [*map(find_errors, evaluations.values(), files)]
            elif args.images or explains:
                errors = [find_errors(first, args.results)]
            if args.json is not None:
                content = first.to_dict()
                content |= dict(ground_truth=args.ground_truth, results=args.results)
                content['classes'] = [*map(with_null, rows)]
                if args.errors:
                    content['errors'] = errors[0].to_dict()
                if args.compare is not None:
                    compared_errors = errors if args.errors else ()
                    *_, other = evaluations.values()
                    content['comparison'] = comparison_json(
                        args, other.values(), differences, compared_errors
                    )
                contents[args.json] = json.dumps(content, allow_nan=False) + '\n'
            if args.csv is not None:
                contents[args.csv] = csv_of(rows, columns)
            if args.thresholds is not None:
                contents[args.thresholds] = thresholds_json(first, args.ground_truth)
            if args.html is not None:
                on_step('report')
                name, more = Path(args.ground_truth).name, (differences,)
                if not args.panoptic:
                    of_first = errors[0] if errors else None
                    more = of_first, differences, args.images, str(Path(args.html).parent)
                contents[args.html] = report(evaluations, name, *more)
            contents = {path: content.encode() for path, content in contents.items()}
            for path, content in contents.items():
                write_atomically(path, content)
        except (OSError, ValueError) as error:
            sys.exit(f'error: {error}')
    print_warnings(messages)
    print_all(evaluations, rows, columns, differences, errors if args.errors else [])
    for path in contents:
        print(f'Wrote {path}')


if __name__ == '__main__':
    main()
