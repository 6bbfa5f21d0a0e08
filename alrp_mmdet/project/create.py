"""Creates a project: reads and checks annotated images, and writes a config to train on them."""

import argparse
import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from alrp.checkpoint_argument import missing_checkpoint
from alrp.files import output_problem, write_atomically
from alrp.text import counted

from ..cli import exit_on_error
from ..datasets import AnnotationError, check_datasets
from ..terminal import progress_bars
from ..transfer.pretrained import check_backbone_weights
from .config_writer import NO_WEIGHTS, format_config
from .data import load_data
from .findings import Findings
from .formats import Split
from .preview import draw_annotations
from .recipes import LOSSES, RECIPES, SMALL_DETECTOR
from .settings import choose_settings
from .statistics import Objects, classes_without_objects, collect_objects
from .summary import summarise, training_length


def create_project(args: argparse.Namespace, tools: Path) -> None:
    """Create the project of a command line; exit if the data or the arguments cannot be used.

    Args:
        args (argparse.Namespace): The arguments of tools/new_project.py.
        tools (Path): Folder of the tools, for the commands that are printed at the end.
    """
    folder = Path(os.path.abspath(args.out))
    if folder.exists() and not folder.is_dir():
        sys.exit(f'error: {args.out} is not a folder')
    suffix = re.sub('[^0-9A-Za-z]+', '_', folder.name)
    config = folder / f'{args.loss}_{args.detector}_{suffix}.py'
    preview = folder / 'annotations.png'
    check_other_configs(config, suffix)
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
        print(
            f'There is no GPU here: on a CPU, --detector {SMALL_DETECTOR} trains much faster. '
            'Choose another --out for it.'
        )
    print(training_length(settings))
    print(next_commands(folder, config, tools))


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


def check_other_configs(config: Path, suffix: str) -> None:
    """Exit if the folder has the config of another detector or loss, whatever ``--force`` says."""
    names = {f'{loss}_{detector}_{suffix}.py' for loss in LOSSES for detector in RECIPES}
    for name in sorted(names - {config.name}):
        other = config.with_name(name)
        if other.exists():
            sys.exit(
                f'error: {relative_path(other)} exists, and would share its work_dir and '
                f'thresholds.json with {config.name}: choose another --out'
            )


def resolve_checkpoint(checkpoint: str | None) -> str | None:
    """The URL or absolute path of a checkpoint, which a config can be run with from any folder."""
    if checkpoint is None or '://' in checkpoint:
        return checkpoint
    missing = missing_checkpoint(checkpoint)
    if missing is not None:
        sys.exit(f'error: {missing}')
    return os.path.abspath(checkpoint)


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
                words = 'object is a crowd or difficult', 'objects are crowds or difficult'
                why = f': {counted(crowds, *words)}' if crowds else ''
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


def next_commands(folder: Path, config: Path, tools: Path) -> str:
    """The commands to train, evaluate, draw and detect, for the current folder."""
    best = f'{shell_path(folder)}/work_dir/best_coco_bbox_mAP_epoch_*.pth'
    config, thresholds = shell_path(config), shell_path(folder / 'thresholds.json')
    scripts = 'train.py', 'test.py', 'analysis/draw_detections.py', 'infer.py'
    train, test, draw, infer = (command_of(tools / script) for script in scripts)
    out, found = shell_path(folder / 'detections.png'), shell_path(folder / 'found')
    return f"""Check {relative_path(folder / 'annotations.png')}, then run:
  {train} {config}
  {test} {config} {best}   # AP and LRP; writes the score thresholds
  {draw} {config} {best} --thresholds {thresholds} --out {out}
  {test} {config} {best} --thresholds {thresholds}   # AP and LRP at these thresholds
  {infer} photos/ {best} --thresholds {thresholds} --out {found}   # in pictures of your own"""


def command_of(tool: Path) -> str:
    """How to run another tool: as a subcommand of alrp, if this one is, or as a script."""
    if sys.argv[0].startswith('alrp '):
        return f'alrp {tool.stem.replace("_", "-")}'
    return f'python {shell_path(tool)}'


def shell_path(path: Path) -> str:
    """A relative path, quoted for the shell."""
    return shlex.quote(relative_path(path))


def relative_path(path: Path) -> str:
    """A path relative to the current folder if it is inside it."""
    here = Path(os.path.abspath('.'))
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
