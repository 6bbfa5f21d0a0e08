"""Checks that settings of data have the types that MMDetection and the other checks need."""

from collections.abc import Iterator

from mmengine.config import Config, ConfigDict

from alrp.text import format_list

from ..config.types import type_name
from .leaves import dataset_type, is_local_coco, leaves

TOGETHER = dict(  # MMEngine accepts all or none of these
    train=('train_dataloader', 'train_cfg', 'optim_wrapper'),
    val=('val_dataloader', 'val_cfg', 'val_evaluator'),
    test=('test_dataloader', 'test_cfg', 'test_evaluator'),
)


def missing_settings(cfg: Config, splits: tuple[str, ...]) -> list[str]:
    """Settings of a split that are missing although others of it are there.

    MMEngine refuses that in every split. A split in use must be there, except for ``val``.

    Returns:
        list[str]: A sentence for each split.
    """
    problems = []
    for split, together in TOGETHER.items():
        missing = [key for key in together if cfg.get(key) is None]
        may_lack = split == 'val' or split not in splits
        if missing and not (may_lack and len(missing) == len(together)):
            remedy = ', or None for all of them' if may_lack else ''
            problems.append(
                f'the config needs {", ".join(together)}{remedy}, but lacks {format_list(missing)}'
            )
    return problems


def type_problems(cfg: Config, splits: tuple[str, ...]) -> list[str]:
    """Values of another type than the setting has, a sentence each."""
    problems = []
    for split in splits:
        name = f'{split}_dataloader'
        loader = cfg.get(name)
        if loader is None:
            continue
        if not isinstance(loader, dict) or not isinstance(loader.get('dataset'), dict):
            problems.append(f'{name} must be a dict with a dict dataset=dict(type=...)')
            continue
        for dataset in leaves(loader):
            problems += [f'{name}.dataset: {text}' for text in _problems_of_dataset(dataset)]
        evaluator = cfg.get(f'{split}_evaluator')
        if split != 'train' and evaluator and not all(map(_has_type, _entries(evaluator))):
            problems.append(f'{split}_evaluator must be dict(type=...) or a list of these')
    return problems


def _problems_of_dataset(dataset: ConfigDict) -> Iterator[str]:
    if not _has_type(dataset):
        yield f'a dataset must be dict(type=...), got {dataset!r}'
        return
    if not is_local_coco(dataset):
        return
    ann_file = dataset.get('ann_file')
    if not isinstance(ann_file, str | None):
        yield (
            f'ann_file must be one file, got {ann_file!r}. For several, use '
            "dict(type='ConcatDataset', datasets=[...])"
        )
    metainfo = dataset.get('metainfo') or {}
    classes = metainfo.get('classes') if isinstance(metainfo, dict) else 0
    if not isinstance(classes, str | list | tuple | None):
        yield f'metainfo must be dict(classes=(names)), got {metainfo!r}'
    elif 'CLASSES' in metainfo and not classes:
        yield 'metainfo has CLASSES, as in MMDetection 2.x; the key of MMDetection 3 is classes'
    elif not classes and not dataset_type(dataset).METAINFO.get('classes'):
        yield f'{type_name(dataset)} has no classes: set metainfo=dict(classes=(...))'
    min_size = (dataset.get('filter_cfg') or {}).get('min_size', 0)
    if not isinstance(min_size, int | float):
        yield f'filter_cfg.min_size must be a number of pixels, got {min_size!r}'
    for i, transform in enumerate(dataset.get('pipeline') or []):
        if not _has_type(transform):
            yield f'pipeline[{i}] must be dict(type=...), got {transform!r}'


def _entries(evaluator) -> list:
    return list(evaluator) if isinstance(evaluator, list | tuple) else [evaluator]


def _has_type(settings) -> bool:
    return not isinstance(settings, str | None) and (
        not isinstance(settings, dict) or bool(settings.get('type')) or 'metrics' in settings
    )
