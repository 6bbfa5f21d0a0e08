"""Check annotated images and write a config to train on them."""

import argparse
import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

from mmengine.config import Config  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: E402

from alrp.files import output_problem, write_atomically  # noqa: E402
from alrp_mmdet.cli import clear_errors  # noqa: E402
from alrp_mmdet.datasets import check_datasets  # noqa: E402
from alrp_mmdet.project.choices import DETECTORS, choose  # noqa: E402
from alrp_mmdet.project.config_writer import config_text  # noqa: E402
from alrp_mmdet.project.data import FRACTION, load_data  # noqa: E402
from alrp_mmdet.project.formats import FORMATS, Split  # noqa: E402
from alrp_mmdet.project.picture import draw_annotations  # noqa: E402
from alrp_mmdet.project.statistics import Objects, objects_of  # noqa: E402
from alrp_mmdet.project.summary import missing_classes, summary  # noqa: E402
from alrp_mmdet.terminal import progress_bars  # noqa: E402


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'source',
        type=Path,
        metavar='SOURCE',
        help='COCO .json, folder of Pascal VOC .xml, YOLO data.yaml or folder with classes.txt',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER', help='of the project')
    validation = parser.add_mutually_exclusive_group()
    validation.add_argument(
        '--val', type=Path, metavar='SOURCE', help='annotations for validation, in the same format'
    )
    validation.add_argument(
        '--val-fraction',
        type=float,
        metavar='X',
        help=f'fraction of the images to validate on instead (default: {FRACTION})',
    )
    parser.add_argument(
        '--detector', choices=list(DETECTORS), default='atss', help='(default: %(default)s)'
    )
    parser.add_argument(
        '--load-from', metavar='CHECKPOINT', help='path or URL of a detector to start from'
    )
    parser.add_argument(
        '--epochs', type=int, metavar='N', help='(default: by the number of images)'
    )
    parser.add_argument('--images', type=Path, metavar='FOLDER', help='of the images')
    parser.add_argument('--format', choices=list(FORMATS), help='instead of what is detected')
    parser.add_argument('--force', action='store_true', help='overwrite files that exist')
    args = parser.parse_args(argv)
    if args.val_fraction is not None and not 0 < args.val_fraction < 1:
        parser.error('--val-fraction must be between 0 and 1')
    if args.epochs is not None and args.epochs < 1:
        parser.error('--epochs must be at least 1')
    return args


@contextlib.contextmanager
def progress() -> Iterator[Callable[[int], Callable[[], None]]]:
    """A bar on the terminal, if there is one, for as many images as it is called with."""
    columns = TextColumn('opening images'), BarColumn(), MofNCompleteColumn()
    with progress_bars(*columns) as bar:
        task = bar.add_task('')

        def start(total: int) -> Callable[[], None]:
            bar.update(task, total=total)
            return lambda: bar.advance(task)

        yield start


def check_outputs(paths: Iterable[Path], force: bool, inputs: Iterable[Path] = ()) -> None:
    """Nothing that was there is overwritten without a word, and never what was read."""
    for path in paths:
        problem = output_problem(shown(path), inputs, force)
        if problem is not None:
            sys.exit(f'error: {problem}')


def checkpoint_path(checkpoint: str | None) -> str | None:
    """A checkpoint as a config names it, from wherever it is read: path or URL."""
    if checkpoint is None or '://' in checkpoint:
        return checkpoint
    if not Path(checkpoint).is_file():
        sys.exit(f'error: there is no checkpoint {checkpoint}')
    return os.path.abspath(checkpoint)


def main(argv: list[str] | None = None):
    args = parse_args(argv)
    folder = Path(os.path.abspath(args.out))
    if folder.exists() and not folder.is_dir():
        sys.exit(f'error: {args.out} is not a folder')
    config = folder / f'alrp_{args.detector}_{re.sub("[^0-9A-Za-z]+", "_", folder.name)}.py'
    picture = folder / 'annotations.png'
    check_outputs([config, picture], args.force)
    load_from = checkpoint_path(args.load_from)
    splits, objects = load(args)
    detector = DETECTORS[args.detector]
    choices = choose(detector, objects['train'], args.epochs)
    print(summary(splits['train'].classes, objects, detector, choices))

    contents = converted(splits, folder / 'annotations')
    check_outputs([*contents, config, picture], args.force, inputs(splits))
    contents[picture] = draw_annotations(splits['train'])
    text = config_text(
        folder,
        str(args.source),
        detector,
        choices,
        **splits,
        objects=objects['train'],
        load_from=load_from,
    )
    contents[config] = text.encode()
    try:
        for path, content in contents.items():
            write_atomically(path, content)
    except OSError as error:
        sys.exit(f'error: {error.filename} cannot be written: {error.strerror}')
    with clear_errors():
        check_datasets(Config.fromfile(config), ('train', 'val'))
    for path in contents:
        print(f'Wrote {shown(path)}')
    print(next_commands(folder, config))


def load(args: argparse.Namespace) -> tuple[dict[str, Split], dict[str, Objects]]:
    """The data and their objects, as ``train`` and ``val``, if nothing in them has to be mended."""
    with clear_errors(), progress() as bar:
        data = load_data(args.source, args.val, args.val_fraction, args.format, args.images, bar)
    print('\n'.join(data.notes))
    splits, objects = dict(train=data.train, val=data.val), {}
    if not data.findings.errors:
        objects = {name: objects_of(split) for name, split in splits.items()}
        for name, split in splits.items():
            for missing in missing_classes(data.train.classes, objects[name]):
                data.findings.warning(split.source, f'classes without objects for {name}', missing)
            if not len(objects[name].area):
                data.findings.error(split.source, f'there are no objects for {name}')
    if str(data.findings):
        print(data.findings)
    if data.findings.errors:
        sys.exit('error: mend the errors above first; nothing was written')
    return splits, objects


def converted(splits: dict[str, Split], folder: Path) -> dict[Path, bytes]:
    """COCO-format files to be written, of splits that have none; and the paths of all, absolute."""
    contents = {}
    for name, split in splits.items():
        if split.file is None:
            split.file = folder / f'{name}.json'
            contents[split.file] = split.to_json()
        split.file, split.images = (
            Path(os.path.abspath(path)) for path in (split.file, split.images)
        )
    return contents


def inputs(splits: dict[str, Split]) -> list[Path]:
    """Annotations and images, which stay as they are."""
    images = (
        split.path_of(image) for split in splits.values() for image in split.content['images']
    )
    return [*(Path(split.source) for split in splits.values()), *images]


def next_commands(folder: Path, config: Path) -> str:
    """What to type next, from the current folder."""
    tools = Path(__file__).resolve().parent
    best = f'{typed(folder)}/work_dir/best_coco_bbox_mAP_epoch_*.pth'
    config, thresholds = typed(config), typed(folder / 'thresholds.json')
    train, test = (f'python {typed(tools / name)}' for name in ('train.py', 'test.py'))
    draw = f'python {typed(tools / "analysis" / "draw_detections.py")}'
    return f"""Look at {shown(folder / 'annotations.png')}, and then:
  {train} {config}
  {test} {config} {best}   # numbers, and thresholds
  {draw} {config} {best} --thresholds {thresholds} --out {typed(folder / 'detections.png')}
  {test} {config} {best} --thresholds {thresholds}   # numbers at the thresholds"""


def typed(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(shown(path))


def shown(path: Path) -> str:
    """A path as it is called from here."""
    here = Path(os.path.abspath('.'))
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


if __name__ == '__main__':
    main()
