"""Fit calibrated scores: map the score of each class to the expected IoU of a detection.

Usage: ``alrp calibrate GT RESULTS --out calibration.json``, on validation data.
"""

import argparse
import importlib.util
import sys
import warnings
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'alrp').is_dir():  # a clone, which need not be installed
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from alrp.files import output_problem, write_atomically  # noqa: E402
from alrp.lrp.calibration import (  # noqa: E402
    METHODS,
    Calibration,
    MatchedScores,
    calibration_errors,
    fit_calibration,
    match_scores,
)
from alrp.lrp.calibration.fitting import MIN_DETECTIONS  # noqa: E402
from alrp.lrp.calibration.matched import IOU_TYPES  # noqa: E402
from alrp.lrp.summary import defined  # noqa: E402
from alrp.lrp.tasks import RULES  # noqa: E402
from alrp.text import format_table  # noqa: E402

COLUMNS = 'class', 'objects', 'detections', 'LaECE_0', 'calibrated', 'LaACE_0', 'calibrated'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        'ground_truth', metavar='GT', help='validation annotations in COCO or LVIS format'
    )
    parser.add_argument('results', metavar='RESULTS', help='results in the same format')
    parser.add_argument('--out', required=True, metavar='FILE', help='calibration file to write')
    parser.add_argument(
        '--method',
        choices=METHODS,
        default='isotonic',
        help='isotonic regression or Platt scaling, which needs less data (default: %(default)s)',
    )
    parser.add_argument(
        '--min-detections',
        type=int,
        default=MIN_DETECTIONS,
        metavar='N',
        help='classes with fewer detections share one curve (default: %(default)s)',
    )
    test = parser.add_argument_group('calibration errors on images that were not used for the fit')
    test.add_argument(
        '--holdout',
        action='store_true',
        help='fit to every second image only, by id, and test on the others',
    )
    test.add_argument('--test-gt', metavar='GT', help='test on these annotations')
    test.add_argument(
        '--test-results', metavar='RESULTS', help='results on the images of --test-gt'
    )
    parser.add_argument(
        '--iou-type', choices=IOU_TYPES, help='boxes or masks (default: boxes if RESULTS has any)'
    )
    parser.add_argument('--rules', choices=RULES, help='as in alrp lrp (default: found from GT)')
    parser.add_argument(
        '--max-dets',
        type=int,
        metavar='N',
        help='detections per image and class (default: 100), or per image for LVIS (default: 300)',
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    args = parser.parse_args(argv)
    if (args.test_gt is None) != (args.test_results is None):
        parser.error('--test-gt and --test-results belong together: give both')
    if args.holdout and args.test_gt is not None:
        parser.error('give --holdout or --test-gt, not both')
    for name in ('min_detections', 'max_dets'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {value}')
    return args


def check_files(args: argparse.Namespace) -> None:
    """Exit with an error if an input or scikit-learn is missing, or FILE cannot be written."""
    given = args.ground_truth, args.results, args.test_gt, args.test_results
    inputs = [path for path in given if path is not None]
    for path in inputs:
        if not Path(path).is_file():
            sys.exit(f'error: no such file: {path}')
    problem = output_problem(args.out, inputs, args.force)
    if problem is not None:
        sys.exit(f'error: {problem}')
    if importlib.util.find_spec('sklearn') is None:
        sys.exit('error: alrp calibrate needs scikit-learn: pip install scikit-learn')


def read(args: argparse.Namespace) -> tuple[MatchedScores, MatchedScores]:
    """The detections to fit to, and those to test on."""
    options = dict(max_dets=args.max_dets, rules=args.rules)
    matched = match_scores(args.ground_truth, args.results, args.iou_type, **options)
    if args.test_gt is not None:
        test = match_scores(args.test_gt, args.test_results, matched.iou_type, **options)
        if sorted(test.names) != sorted(matched.names):
            raise ValueError(f'{args.test_gt} has other classes than {args.ground_truth}')
        return matched, test
    if not args.holdout:
        return matched, matched
    if matched.num_images < 2:
        raise ValueError(f'{args.ground_truth}: --holdout needs at least two images')
    first = np.arange(matched.num_images) % 2 == 0
    return matched.in_images(first), matched.in_images(~first)


def class_rows(
    test: MatchedScores, calibration: Calibration, thresholds: dict[str, float]
) -> list[list]:
    """Errors of all classes together and of each one, before and after the calibration.

    The detections are the same: those above the thresholds of the fit.
    """
    lowest = np.array([thresholds[name] for name in test.names])
    kept = test.above(lowest)
    scores = calibration.apply(kept.score, kept.category, test.names)
    everything = np.zeros(len(lowest))
    before = calibration_errors(kept, everything)
    after = calibration_errors(replace(kept, score=scores), everything)
    columns = before.laece, after.laece, before.laace, after.laace
    means = before.summary, after.summary
    rows = [
        [
            'mean',
            int(test.num_objects.sum()),
            len(kept.score),
            *(defined(errors[key]) for key in ('LaECE_0', 'LaACE_0') for errors in means),
        ]
    ]
    for k, name in enumerate(test.names):
        shared = f'{name} (pooled)' if name in calibration.pooled else name
        values = [float(column[k]) for column in columns]
        rows.append([shared, int(test.num_objects[k]), int(before.count[k].sum()), *values])
    return rows


def shown(value: str | int | float) -> str:
    if isinstance(value, float):
        return f'{value:.3f}' if value == value else '-'
    return f'{value:,}' if isinstance(value, int) else value


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    check_files(args)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', UserWarning)
        try:
            matched, test = read(args)
            thresholds = matched.optimal_thresholds()
            calibration = fit_calibration(matched, args.method, args.min_detections, thresholds)
            about = dict(calibration.about, ann_file=args.ground_truth)
            calibration = replace(calibration, about=about)
            rows = class_rows(test, calibration, dict(zip(matched.names, thresholds.tolist())))
            write_atomically(args.out, calibration.to_json().encode())
        except ModuleNotFoundError as error:  # masks were found in the results
            sys.exit(f'error: masks need {error.name}: pip install {error.name}')
        except (OSError, ValueError) as error:
            sys.exit(f'error: {error}')
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print(f'warning: {message}', file=sys.stderr)
    print(
        f'{args.method}, fitted to {calibration.about["num_detections"]:,} detections above the '
        f'LRP-optimal thresholds in {matched.num_images:,} images'
    )
    if test is matched:
        print(
            'Tested on the same images, so "calibrated" is too good. For an honest number use '
            '--holdout, or --test-gt and --test-results'
        )
    else:
        print(f'Tested on {test.num_images:,} other images')
    print(format_table([COLUMNS, *([*map(shown, row)] for row in rows)]))
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
