"""Create a training config from annotated images.

Usage: ``python tools/new_project.py SOURCE --out FOLDER``. The annotations may be in COCO, Pascal
VOC or YOLO format; docs/own_data.md describes what is read, checked and written.
"""

import argparse
import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # run from a clone without installing it
    sys.path.insert(0, str(ROOT))

from mmengine.config import Config  # noqa: E402
from mmengine.device import get_device  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: E402

from alrp.files import output_problem, write_atomically  # noqa: E402
from alrp_mmdet.checkpoint_argument import missing_checkpoint  # noqa: E402
from alrp_mmdet.cli import exit_on_error  # noqa: E402
from alrp_mmdet.datasets import AnnotationError, check_datasets  # noqa: E402
from alrp_mmdet.project.config_writer import NO_WEIGHTS, format_config  # noqa: E402
from alrp_mmdet.project.data import DEFAULT_VAL_FRACTION, load_data  # noqa: E402
from alrp_mmdet.project.findings import Findings  # noqa: E402
from alrp_mmdet.project.formats import FORMATS, Split  # noqa: E402
from alrp_mmdet.project.preview import draw_annotations  # noqa: E402
from alrp_mmdet.project.recipes import DEFAULT_LOSS, LOSSES, RECIPES, SMALL_DETECTOR  # noqa: E402
from alrp_mmdet.project.settings import choose_settings  # noqa: E402
from alrp_mmdet.project.statistics import (  # noqa: E402
    Objects,
    classes_without_objects,
    collect_objects,
)
from alrp_mmdet.project.summary import summarise  # noqa: E402
from alrp_mmdet.terminal import progress_bars  # noqa: E402
from alrp_mmdet.transfer.pretrained import check_backbone_weights  # noqa: E402


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        'source',
        type=Path,
        metavar='SOURCE',
        help='annotations: a COCO .json, a folder of Pascal VOC .xml files, a YOLO data.yaml or '
        'obj.data, or a folder of YOLO labels with a classes.txt',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='FOLDER', help='folder for the new project'
    )
    validation = parser.add_mutually_exclusive_group()
    validation.add_argument(
        '--val', type=Path, metavar='SOURCE', help='validation annotations, in the same format'
    )
    validation.add_argument(
        '--val-fraction',
        type=float,
        metavar='X',
        help='validate on this share of the images, chosen at random '
        f'(default: {DEFAULT_VAL_FRACTION}, if there is no validation split; replaces one)',
    )
    detector = parser.add_mutually_exclusive_group()
    detector.add_argument(
        '--detector',
        choices=[name for name, recipe in RECIPES.items() if not recipe.masks],
        default='atss',
        help=f'detector of boxes to train; {SMALL_DETECTOR} is for CPUs (default: %(default)s)',
    )
    detector.add_argument(
        '--masks',
        dest='detector',
        action='store_const',
        const='mask-rcnn',
        help='train Mask R-CNN on the masks of the annotations (COCO, or YOLO polygons)',
    )
    parser.add_argument(
        '--loss',
        choices=list(LOSSES),
        default=DEFAULT_LOSS,
        help='ranking loss of all stages (default: %(default)s)',
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        '--weights',
        metavar='FILE',
        help=f'pretrained weights of the backbone, path or URL; {NO_WEIGHTS}: train from random '
        'weights (default: downloaded when training starts)',
    )
    start.add_argument(
        '--load-from', metavar='CHECKPOINT', help='fine-tune this detector checkpoint, path or URL'
    )
    parser.add_argument(
        '--epochs', type=int, metavar='N', help='(default: chosen by the number of images)'
    )
    parser.add_argument(
        '--images', type=Path, metavar='FOLDER', help='image folder (default: searched for)'
    )
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out images that are missing or cannot be decoded, XML files that cannot be '
        'read, and boxes without area or outside of their image; they are listed',
    )
    parser.add_argument(
        '--format', choices=list(FORMATS), help='annotation format (default: detected)'
    )
    parser.add_argument('--force', action='store_true', help='overwrite existing files')
    args = parser.parse_args(argv)
    if args.val_fraction is not None and not 0 < args.val_fraction < 1:
        parser.error('--val-fraction must be between 0 and 1')
    if args.epochs is not None and args.epochs < 1:
        parser.error('--epochs must be at least 1')
    return args


@contextlib.contextmanager
def image_progress() -> Iterator[Callable[[int], Callable[[], None]]]:
    """A progress bar for reading images, if standard error is a terminal.

    Yields:
        Callable: Takes the number of images; returns a function to call after each.
    """
    columns = TextColumn('reading images'), BarColumn(), MofNCompleteColumn()
    with progress_bars(*columns) as bar:
        task = bar.add_task('')

        def start(total: int) -> Callable[[], None]:
            bar.update(task, total=total)
            return lambda: bar.advance(task)

        yield start


def check_outputs(paths: Iterable[Path], force: bool, inputs: Iterable[Path] = ()) -> None:
    """Exit if a file cannot be written, would replace an input, or exists and ``force`` is off."""
    for path in paths:
        problem = output_problem(relative_path(path), inputs, force)
        if problem is not None:
            sys.exit(f'error: {problem}')


def resolve_checkpoint(checkpoint: str | None) -> str | None:
    """The URL or absolute path of a checkpoint, which a config can be run with from any folder."""
    if checkpoint is None or '://' in checkpoint:
        return checkpoint
    missing = missing_checkpoint(checkpoint)
    if missing is not None:
        sys.exit(f'error: {missing}')
    return os.path.abspath(checkpoint)


def main(argv: list[str] | None = None):
    args = parse_args(argv)
    folder = Path(os.path.abspath(args.out))
    if folder.exists() and not folder.is_dir():
        sys.exit(f'error: {args.out} is not a folder')
    config = folder / f'{args.loss}_{args.detector}_{re.sub("[^0-9A-Za-z]+", "_", folder.name)}.py'
    preview = folder / 'annotations.png'
    check_outputs([config, preview], args.force)
    load_from, weights = resolve_checkpoint(args.load_from), args.weights
    if weights != NO_WEIGHTS:
        weights = resolve_checkpoint(weights)
    splits, objects = load_splits(args)
    recipe = RECIPES[args.detector].with_loss(args.loss)
    settings = choose_settings(recipe, objects['train'], args.epochs)
    print(summarise(splits['train'].classes, objects, recipe, settings))

    contents = convert_annotations(splits, folder / 'annotations')
    check_outputs([*contents, config, preview], args.force, input_files(splits))
    contents[preview] = draw_annotations(splits['train'], recipe.masks)
    text = format_config(
        folder,
        str(args.source),
        recipe,
        settings,
        **splits,
        objects=objects['train'],
        load_from=load_from,
        weights=weights,
    )
    if weights not in (None, NO_WEIGHTS) and '://' not in weights:
        with exit_on_error():
            check_backbone_weights(Config.fromstring(text, '.py').model, weights)
    contents[config] = text.encode()
    try:
        for path, content in contents.items():
            write_atomically(path, content)
    except OSError as error:
        sys.exit(f'error: {error.filename} cannot be written: {error.strerror}')
    with exit_on_error():
        check_datasets(Config.fromfile(config), ('train', 'val'), open_images=False)
    for path in contents:
        print(f'Wrote {relative_path(path)}')
    if get_device() == 'cpu' and args.detector != SMALL_DETECTOR:
        print(f'There is no GPU here: on a CPU, --detector {SMALL_DETECTOR} trains much faster.')
    print(next_commands(folder, config))


def load_splits(args: argparse.Namespace) -> tuple[dict[str, Split], dict[str, Objects]]:
    """Load ``train`` and ``val`` and their objects; exit if the data have errors."""
    findings = Findings()
    with exit_on_error(), image_progress() as progress:
        try:
            data = load_data(
                args.source,
                args.val,
                args.val_fraction,
                args.format,
                args.images,
                progress,
                masks=RECIPES[args.detector].masks,
                skip_missing=args.skip_missing,
                findings=findings,
            )
        except AnnotationError:
            if str(findings):
                print(findings)
            raise
    print('\n'.join(data.notes))
    splits, objects = dict(train=data.train, val=data.val), {}
    if not data.findings.errors:
        objects = {name: collect_objects(split) for name, split in splits.items()}
        for name, split in splits.items():
            for missing in classes_without_objects(data.train.classes, objects[name]):
                data.findings.warning(split.source, f'classes without objects in {name}', missing)
            if not len(objects[name].areas):
                crowds = objects[name].crowds
                why = f': all {crowds} are crowds or difficult' if crowds else ''
                data.findings.error(split.source, f'no objects for {name}{why}')
    if str(data.findings):
        print(data.findings)
    if data.findings.errors:
        sys.exit('error: fix the errors listed above; nothing was written')
    return splits, objects


def convert_annotations(splits: dict[str, Split], folder: Path) -> dict[Path, bytes]:
    """COCO-format files to write for splits without one. Makes the paths of all splits absolute."""
    contents = {}
    for name, split in splits.items():
        if split.ann_file is None:
            split.ann_file = folder / f'{name}.json'
            contents[split.ann_file] = split.to_json()
        split.ann_file, split.image_folder = (
            Path(os.path.abspath(path)) for path in (split.ann_file, split.image_folder)
        )
    return contents


def input_files(splits: dict[str, Split]) -> list[Path]:
    """Annotation and image files, which must never be overwritten."""
    images = (
        split.image_path(image) for split in splits.values() for image in split.content['images']
    )
    return [*(Path(split.source) for split in splits.values()), *images]


def next_commands(folder: Path, config: Path) -> str:
    """The commands to train, evaluate and draw, for the current folder."""
    best = f'{shell_path(folder)}/work_dir/best_coco_bbox_mAP_epoch_*.pth'
    config, thresholds = shell_path(config), shell_path(folder / 'thresholds.json')
    train, test, draw = map(command_of, ('train.py', 'test.py', 'analysis/draw_detections.py'))
    out = shell_path(folder / 'detections.png')
    return f"""Check {relative_path(folder / 'annotations.png')}, then run:
  {train} {config}
  {test} {config} {best}   # AP and LRP; writes the score thresholds
  {draw} {config} {best} --thresholds {thresholds} --out {out}
  {test} {config} {best} --thresholds {thresholds}   # AP and LRP at these thresholds"""


def command_of(tool: str) -> str:
    """How to run another tool: as a subcommand of alrp, if this one is, or as a script."""
    if sys.argv[0].startswith('alrp '):
        return f'alrp {Path(tool).stem}'
    return f'python {shell_path(Path(__file__).resolve().parent / tool)}'


def shell_path(path: Path) -> str:
    """A relative path, quoted for the shell."""
    return shlex.quote(relative_path(path))


def relative_path(path: Path) -> str:
    """A path relative to the current folder if it is inside it."""
    here = Path(os.path.abspath('.'))
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


if __name__ == '__main__':
    main()
