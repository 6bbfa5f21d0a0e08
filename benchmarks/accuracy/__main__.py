"""Compare losses by the accuracy of the detectors they train.

    python benchmarks/accuracy tune --data-root data       # learning rate and box weight
    python benchmarks/accuracy run --data-root data        # the matrix, with the tuned settings
    python benchmarks/accuracy variants --data-root data   # changes to a loss, each alone
    python benchmarks/accuracy report                      # docs/results.md and its figures

Runs are added to CSV files in benchmarks/accuracy/results. Repeat a command to go on after an
interruption. benchmarks/README.md describes the method.
"""

import argparse
import os
import re
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy import report  # noqa: E402
from benchmarks.accuracy.matrix import (  # noqa: E402
    DATASETS,
    LOSSES,
    SEEDS,
    TUNING_DATASETS,
    TUNING_SEED,
    base_model,
    matrix,
    supports,
)
from benchmarks.accuracy.rows import curves_of, read_rows, run_of  # noqa: E402
from benchmarks.accuracy.trainer import Trainer  # noqa: E402
from benchmarks.accuracy.tuning import STAGES, stage_runs, tuned_run  # noqa: E402
from benchmarks.accuracy.variants import VARIANTS, parse_variant, variant_runs  # noqa: E402

RESULTS = ROOT / 'benchmarks' / 'accuracy' / 'results'
WEIGHTS = (
    'https://download.openmmlab.com/mmdetection/v2.0/third_party/'
    'mobilenet_v2_batch256_imagenet-ff34753d.pth'
)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='command', required=True)
    results = argparse.ArgumentParser(add_help=False)
    results.add_argument(
        '--results',
        type=Path,
        default=RESULTS,
        metavar='FOLDER',
        help='folder of the CSV files (default: benchmarks/accuracy/results)',
    )
    training = argparse.ArgumentParser(add_help=False, parents=[results])
    training.add_argument(
        '--data-root',
        type=Path,
        required=True,
        metavar='FOLDER',
        help=f'folder with the folders {", ".join(DATASETS)}',
    )
    training.add_argument(
        '--losses',
        nargs='+',
        choices=LOSSES,
        default=list(LOSSES),
        metavar='LOSS',
        help='default: all',
    )
    training.add_argument(
        '--weights',
        default=WEIGHTS,
        metavar='FILE',
        help='pretrained MobileNetV2, path or URL (default: downloaded)',
    )
    training.add_argument('--jobs', type=int, default=2, help='runs at a time, one core each')
    training.add_argument('--epochs', type=int, help='replaces the epochs of all datasets')
    training.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/accuracy'),
        metavar='FOLDER',
        help='configs, logs and checkpoints (default: %(default)s)',
    )
    commands.add_parser('tune', parents=[training], help='choose the settings of each loss')
    run = commands.add_parser('run', parents=[training], help='train the matrix')
    run.add_argument('--datasets', nargs='+', choices=DATASETS, default=list(DATASETS))
    run.add_argument('--detectors', nargs='+', default=['retinanet'])
    run.add_argument('--seeds', type=parse_seeds, default=list(SEEDS), help='such as 0-4 or 0,2')
    variants = commands.add_parser('variants', parents=[training], help='train changed losses')
    variants.add_argument('--datasets', nargs='+', choices=DATASETS, default=TUNING_DATASETS)
    variants.add_argument('--seeds', type=parse_seeds, default=[TUNING_SEED])
    variants.add_argument(
        '--variant',
        action='append',
        metavar='NAME:LOSS:KEY=VALUE',
        help='options of a config for one loss (may be repeated; default: those in variants.py)',
    )
    variants.add_argument('--names', nargs='+', metavar='NAME', help='only these variants')
    page = commands.add_parser('report', parents=[results], help='write docs/results.md')
    page.add_argument('--check', action='store_true', help='fail if something is out of date')
    return parser.parse_args(argv)


def parse_seeds(text: str) -> list[int]:
    """Seeds such as ``0-4`` or ``0,2,5-7``."""
    seeds = []
    for part in text.split(','):
        found = re.fullmatch(r'(\d+)(?:-(\d+))?', part)
        numbers = found and range(int(found[1]), int(found[2] or found[1]) + 1)
        if not numbers:
            raise argparse.ArgumentTypeError(f'expected seeds such as 0-4 or 0,2, got {text!r}')
        seeds += numbers
    return seeds


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.command == 'report':
        report.main(args.results, args.check)
        return
    check_inputs(args)
    check_results(args.results)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('error: stopped'))
    trainer = Trainer(args.data_root, args.weights, args.work_dir.resolve(), args.jobs)
    tuning = args.results / 'tuning.csv'
    try:
        if args.command == 'tune':
            tune(args, trainer, tuning)
            return
        rows = read_rows(tuning)
        tuned = {loss: tuned_run(loss, rows, args.epochs) for loss in args.losses}
    except LookupError as error:
        sys.exit(f'error: {error.args[0]}: run "tune" first')
    if args.command == 'run':
        path = args.results / 'runs.csv'
        runs = matrix(tuned, args.datasets, args.detectors, args.seeds, args.epochs)
    else:
        path = args.results / 'variants.csv'
        plain = matrix(tuned, args.datasets, ['retinanet'], args.seeds, args.epochs)
        known = {run_of(row) for row in [*rows, *read_rows(args.results / 'runs.csv')]}
        runs = [run for run in variant_runs(plain, chosen_variants(args)) if run not in known]
    train(trainer, runs, path)


def check_inputs(args: argparse.Namespace) -> None:
    """Exit if data, weights or a detector's base config are missing, or an option is wrong."""
    for option, value in (('--jobs', args.jobs), ('--epochs', args.epochs)):
        if value is not None and value < 1:
            sys.exit(f'error: {option} must be at least 1, got {value}')
    if args.command == 'run' and TUNING_SEED in args.seeds:
        sys.exit(f'error: --seeds has {TUNING_SEED}, which the settings were chosen with')
    if '://' not in args.weights:
        if not Path(args.weights).is_file():
            sys.exit(f'error: --weights names {args.weights}, but there is no such file')
        args.weights = os.path.abspath(args.weights)
    for dataset in getattr(args, 'datasets', TUNING_DATASETS):
        for split in ('train', 'val'):
            path = args.data_root / dataset / 'annotations' / f'instances_{split}.json'
            if not path.is_file():
                sys.exit(f'error: there is no {path}: check --data-root')
    for detector in getattr(args, 'detectors', []):
        for loss in args.losses:
            if not base_model(detector, loss).is_file():
                sys.exit(f'error: the detector {detector} needs {base_model(detector, loss)}')
            if args.losses != list(LOSSES) and not supports(detector, loss):
                sys.exit(f'error: {detector} cannot be trained with {loss}')


def check_results(folder: Path) -> None:
    """Exit if a file of results is damaged: new runs could not be added to it."""
    try:
        for name in ('tuning', 'runs', 'variants'):
            read_rows(folder / f'{name}.csv')
            read_rows(curves_of(folder / f'{name}.csv'))
    except ValueError as error:
        sys.exit(f'error: {error}')


def chosen_variants(args: argparse.Namespace) -> list:
    """The variants of the command line."""
    try:
        variants = [parse_variant(text) for text in args.variant or ()] or VARIANTS
    except ValueError as error:
        sys.exit(f'error: --variant: {error}')
    if args.names:
        unknown = set(args.names) - {variant.name for variant in variants}
        if unknown:
            sys.exit(f'error: there is no variant {", ".join(sorted(unknown))}')
        variants = [variant for variant in variants if variant.name in args.names]
    return variants


def tune(args: argparse.Namespace, trainer: Trainer, path: Path) -> None:
    """Train all stages of the tuning and print the chosen settings."""
    for stage in range(STAGES):
        train(trainer, stage_runs(args.losses, stage, read_rows(path), args.epochs), path)
    for loss in args.losses:
        best = tuned_run(loss, read_rows(path), args.epochs)
        print(
            f'{LOSSES[loss].title}: learning rate {best.lr:g}, {best.setting}, '
            f'gradients clipped at {best.clip_norm:g}'
        )


def train(trainer: Trainer, runs: list, path: Path) -> None:
    """Train runs; exit if any fails."""
    failed = trainer.train(runs, path)
    if failed:
        sys.exit(f'error: {failed} runs failed; repeat the command to try them again')


if __name__ == '__main__':
    main()
