"""Detect objects in images and videos."""

import argparse
import contextlib
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from alrp.checkpoint_argument import checkpoint_last_problem, missing_checkpoint  # noqa: E402
from alrp.files import write_atomically  # noqa: E402
from alrp_mmdet.cli import exit_on_error  # noqa: E402
from alrp_mmdet.config.file import read_config  # noqa: E402
from alrp_mmdet.deploy.calibration import apply_calibration, read_calibration  # noqa: E402
from alrp_mmdet.deploy.detector import Detector, find_work_dir_config  # noqa: E402
from alrp_mmdet.deploy.inputs import (  # noqa: E402
    InputError,
    find_coco_ids,
    find_inputs,
    is_video,
    relative_names,
)
from alrp_mmdet.deploy.job import InferenceJob, drawing_path  # noqa: E402
from alrp_mmdet.deploy.results import (  # noqa: E402
    detections_csv,
    detections_json,
    images_json,
)
from alrp_mmdet.deploy.thresholds import apply_thresholds, read_thresholds  # noqa: E402
from alrp_mmdet.terminal import progress_bars  # noqa: E402

DETECTIONS = dict(coco='detections.json', csv='detections.csv')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT', help='image, video, or folder (searched recursively)'
    )
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint file')
    parser.add_argument(
        '--config', help='config file; default: the config in the work dir of the checkpoint'
    )
    parser.add_argument('--out', required=True, metavar='FOLDER', help='folder for all results')
    threshold = parser.add_mutually_exclusive_group()
    threshold.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='minimum score of a detection, in results and pictures (default: %(default)s)',
    )
    threshold.add_argument(
        '--thresholds', help='minimum score per class: a thresholds_file of CocoLRPMetric'
    )
    parser.add_argument(
        '--calibration',
        metavar='FILE',
        help='calibrate scores by a file of alrp calibrate: --score-thr applies to calibrated '
        'scores, --thresholds to those of the model',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images per batch')
    parser.add_argument('--device', help='such as cuda:1 or cpu; default: the GPU, if there is one')
    parser.add_argument(
        '--format',
        choices=['coco', 'csv'],
        default='coco',
        help='format of the results; csv has no masks (default: %(default)s)',
    )
    parser.add_argument(
        '--ann-file', help='COCO file with the image and category ids to use in the results'
    )
    parser.add_argument('--no-pictures', action='store_true', help='do not draw detections')
    parser.add_argument('--force', action='store_true', help='overwrite existing results')
    args = parser.parse_args()
    if args.batch_size < 1:
        parser.error(f'--batch-size must be at least 1, got {args.batch_size}')
    if math.isnan(args.score_thr):
        parser.error('--score-thr must be a number, got nan')
    problem = checkpoint_last_problem(args.inputs, args.checkpoint)
    if problem is not None:
        parser.error(problem)
    if args.ann_file is not None and args.format == 'csv':
        parser.error('--ann-file needs --format coco: CSV has names instead of ids')
    return args


def check_files(args: argparse.Namespace, inputs: dict[str, Path]) -> None:
    """Check the input and output files before running the detector."""
    for path in (args.thresholds, args.calibration):
        if path is not None and '://' not in path and not Path(path).is_file():
            raise InputError(f'no such file: {path}')
    missing = missing_checkpoint(args.checkpoint)
    if missing is not None:
        raise InputError(missing)
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise InputError(f'{out} is not a folder')
    if out.is_dir() and any(out.iterdir()) and not args.force:
        raise InputError(f'{out} is not empty; use --force to overwrite files in it')
    targets = [drawing_path(out, name) for name in inputs]
    if len(set(targets)) < len(targets):
        raise InputError('two pictures would get the same name: process one folder at a time')
    for target, name in zip(targets, inputs):
        if target.exists() and any(os.path.samefile(target, path) for path in inputs.values()):
            raise InputError(f'drawing {name} would overwrite the input {target}')


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int | None], None]]:
    """Progress bars for the images and each video, if there is a terminal."""
    tasks = {}
    with progress_bars() as bar:

        def on_step(name: str, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.advance(tasks[name])

        yield on_step


def make_detector(args: argparse.Namespace) -> Detector:
    """Build the detector and apply its thresholds and calibration."""
    config = args.config
    if config is None:
        config = find_work_dir_config(args.checkpoint)
        print(f'Config: {config}')
    detector = Detector(read_config(config, 'test_dataloader'), args.checkpoint, args.device)
    score_thr = 0.0 if args.thresholds is not None else args.score_thr
    if args.thresholds is not None:
        apply_thresholds(detector.model, read_thresholds(args.thresholds, detector.classes))
    if args.calibration is not None:
        calibration = read_calibration(args.calibration, detector.classes)
        apply_calibration(detector.model, calibration, score_thr)
    elif args.thresholds is None:
        apply_thresholds(detector.model, [score_thr] * len(detector.classes))
    return detector


def run(args: argparse.Namespace, inputs: dict[str, Path], detector: Detector) -> InferenceJob:
    """Detect in all inputs and write the results."""
    out, classes = Path(args.out), detector.classes
    videos = {name: path for name, path in inputs.items() if is_video(path)}
    images = {name: path for name, path in inputs.items() if name not in videos}
    ids, cat_ids = itertools.count(1), range(1, len(classes) + 1)
    if args.ann_file is not None:
        if videos:
            raise InputError(f'--ann-file {args.ann_file} has no ids for video frames')
        known, cat_ids = find_coco_ids(args.ann_file, list(images.values()), classes)
        ids = iter(known)
    with progress() as on_step:
        drawings = None if args.no_pictures else out
        job = InferenceJob(detector, drawings, ids, args.batch_size, on_step)
        job.images(images)
        for name, path in videos.items():
            job.video(name, path)
    if args.format == 'csv':
        content = detections_csv(job.detections, classes)
    else:
        content = detections_json(job.detections, cat_ids, classes)
    write_atomically(out / DETECTIONS[args.format], content.encode())
    listed = images_json(job.detections, job.videos, cat_ids, classes)
    write_atomically(out / 'images.json', listed.encode())
    return job


def main() -> None:
    args = parse_args()
    with exit_on_error(InputError):
        paths = find_inputs(args.inputs, exclude=args.out)
        inputs = dict(zip(relative_names(paths), paths))
        check_files(args, inputs)
        detector = make_detector(args)
        try:
            job = run(args, inputs, detector)
        except torch.OutOfMemoryError:
            raise InputError('out of device memory: use a smaller --batch-size') from None
        except OSError as error:
            raise InputError(f'cannot write to {args.out}: {error}') from error
    for warning in job.warnings:
        print(f'warning: {warning}', file=sys.stderr)
    frames = sum(video['num_frames'] for video in job.videos)
    number = sum(len(d.scores) for d in job.detections)
    images = len(job.detections) - frames
    print(f'{number} detections in {images} images and {frames} video frames')
    if number == 0 and args.thresholds is None:
        print(
            f'No score is above {args.score_thr:g}. Ranking losses do not calibrate scores. Use '
            '--thresholds for a threshold per class, --calibration for calibrated scores, or '
            '--score-thr 0 for all detections'
        )
    pictures = '' if args.no_pictures else f', pictures in {args.out}/drawn'
    print(f'Wrote {args.out}/{DETECTIONS[args.format]}{pictures}')
    if job.problems:
        sys.exit('\n'.join(f'error: {problem}' for problem in job.problems))


if __name__ == '__main__':
    main()
