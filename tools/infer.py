"""Detect objects in images and videos: ``infer.py INPUT [INPUT ...] CHECKPOINT --out FOLDER``."""

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from alrp.files import write_atomically  # noqa: E402
from alrp_mmdet.cli import exit_on_error  # noqa: E402
from alrp_mmdet.config_file import read_config  # noqa: E402
from alrp_mmdet.deploy.detector import Detector, config_beside  # noqa: E402
from alrp_mmdet.deploy.inputs import (  # noqa: E402
    InputError,
    coco_ids,
    find_inputs,
    is_video,
    names_of,
)
from alrp_mmdet.deploy.job import Job, drawn_to  # noqa: E402
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
        'inputs', nargs='+', metavar='INPUT', help='image, video, or folder with all its folders'
    )
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint file')
    parser.add_argument(
        '--config', help='config file; not needed for a checkpoint in its work dir, which has it'
    )
    parser.add_argument('--out', required=True, metavar='FOLDER', help='folder of all results')
    least = parser.add_mutually_exclusive_group()
    least.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of a detection, in results and pictures (default: %(default)s)',
    )
    least.add_argument(
        '--thresholds', help='least score by class: a thresholds_file of CocoLRPMetric'
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images at a time')
    parser.add_argument('--device', help='as in cuda:1 or cpu; the GPU if there is one')
    parser.add_argument('--format', choices=['coco', 'csv'], default='coco')
    parser.add_argument(
        '--ann-file', help='COCO file whose ids of images and categories the results are to have'
    )
    parser.add_argument('--no-pictures', action='store_true', help='write results only')
    parser.add_argument('--force', action='store_true', help='overwrite results that exist')
    args = parser.parse_args()
    if args.batch_size < 1:
        parser.error(f'--batch-size must be at least 1, but is {args.batch_size}')
    if args.ann_file is not None and args.format == 'csv':
        parser.error('--ann-file is for --format coco: a table has names instead of ids')
    return args


def check_files(args: argparse.Namespace, inputs: dict[str, Path]) -> None:
    """What can be found wrong with files before anything is computed."""
    for path, kind in ((args.thresholds, 'file'), (args.checkpoint, 'checkpoint')):
        if path is not None and '://' not in path and not Path(path).is_file():
            raise InputError(f'there is no {kind} {path}')
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise InputError(f'{out} is not a folder')
    if out.is_dir() and any(out.iterdir()) and not args.force:
        raise InputError(f'{out} is not empty; --force overwrites what has the same name')
    targets = [drawn_to(out, name) for name in inputs]
    if len(set(targets)) < len(targets):
        raise InputError('two pictures would have the same name: detect in one folder at a time')
    for target, name in zip(targets, inputs):
        if target.exists() and any(os.path.samefile(target, path) for path in inputs.values()):
            raise InputError(f'{target} is an input, and would be overwritten by {name}')


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int | None], None]]:
    """Bars on the terminal, if there is one, of the images and of each video."""
    tasks = {}
    with progress_bars() as bar:

        def on_step(name: str, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.advance(tasks[name])

        yield on_step


def make_detector(args: argparse.Namespace) -> Detector:
    """The detector, at its thresholds."""
    config = args.config
    if config is None:
        config = config_beside(args.checkpoint)
        print(f'Config: {config}')
    detector = Detector(read_config(config, 'test_dataloader'), args.checkpoint, args.device)
    thresholds = [args.score_thr] * len(detector.classes)
    if args.thresholds is not None:
        thresholds = read_thresholds(args.thresholds, detector.classes)
    apply_thresholds(detector.model, thresholds)
    return detector


def run(args: argparse.Namespace, inputs: dict[str, Path], detector: Detector) -> Job:
    """Detect in all inputs, and write what was found."""
    out, classes = Path(args.out), detector.classes
    videos = {name: path for name, path in inputs.items() if is_video(path)}
    images = {name: path for name, path in inputs.items() if name not in videos}
    ids, cat_ids = itertools.count(1), range(1, len(classes) + 1)
    if args.ann_file is not None:
        if videos:
            raise InputError(f'{args.ann_file} has ids of images, and none of a video')
        known, cat_ids = coco_ids(args.ann_file, list(images.values()), classes)
        ids = iter(known)
    with progress() as on_step:
        job = Job(detector, None if args.no_pictures else out, ids, args.batch_size, on_step)
        job.images(images)
        for name, path in videos.items():
            job.video(name, path)
    if args.format == 'csv':
        content = detections_csv(job.found, classes)
    else:
        content = detections_json(job.found, cat_ids, classes)
    write_atomically(out / DETECTIONS[args.format], content.encode())
    listed = images_json(job.found, job.videos, cat_ids, classes)
    write_atomically(out / 'images.json', listed.encode())
    return job


def main() -> None:
    args = parse_args()
    with exit_on_error(InputError):
        paths = find_inputs(args.inputs, leave_out=args.out)
        inputs = dict(zip(names_of(paths), paths))
        check_files(args, inputs)
        detector = make_detector(args)
        try:
            job = run(args, inputs, detector)
        except torch.OutOfMemoryError:
            raise InputError('the device has too little memory: try --batch-size 1') from None
        except OSError as error:
            raise InputError(f'{args.out} cannot be written: {error}') from error
    for warning in job.warnings:
        print(f'warning: {warning}', file=sys.stderr)
    frames = sum(video['num_frames'] for video in job.videos)
    number = sum(len(found.scores) for found in job.found)
    print(f'{number} detections in {len(job.found) - frames} images and {frames} frames of videos')
    if number == 0 and args.thresholds is None:
        print(
            f'No score is over {args.score_thr:g}. Scores of a ranking have an order but no scale: '
            '--thresholds takes what suits each class, --score-thr 0 everything'
        )
    pictures = '' if args.no_pictures else f', pictures in {args.out}/drawn'
    print(f'Wrote {args.out}/{DETECTIONS[args.format]}{pictures}')
    if job.problems:
        sys.exit('\n'.join(f'error: {problem}' for problem in job.problems))


if __name__ == '__main__':
    main()
