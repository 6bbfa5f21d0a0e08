"""Checks a config's evaluators: their mistakes show only after the first epoch of training."""

import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from mmdet.evaluation import CocoMetric, LVISMetric
from mmdet.registry import METRICS
from mmengine.config import Config, ConfigDict

from alrp.coco import CocoFormatError, Fields, read_annotations
from alrp.text import describe_error, format_list

from ..config.nodes import dicts
from ..config.types import is_known_code, resolve_type, type_name
from ..evaluation import CocoLRPMetric, LVISLRPMetric
from .leaves import ann_file_of, is_local_coco, leaves

REPEATING = 'RepeatDataset', 'ClassBalancedDataset'
LVIS = LVISLRPMetric, LVISMetric
SEVERAL = 'MultiDatasetsEvaluator'
KNOWN_NUMBERS = [  # the metrics whose numbers we know
    kind.compute_metrics for kind in (CocoMetric, CocoLRPMetric, *LVIS)
]


class Metric(NamedTuple):
    """A metric of a config: what messages call it, its settings, its class, and its prefix."""

    name: str
    settings: ConfigDict
    type: type
    prefix: str | None


def evaluator_problems(cfg: Config, split: str) -> list[str]:
    """Mistakes in the evaluator of a split, and differences from its dataset.

    Args:
        cfg (Config): A config of MMDetection.
        split (str): ``val`` or ``test``.

    Returns:
        list[str]: A sentence for each problem.
    """
    evaluator, loader = cfg.get(f'{split}_evaluator'), cfg.get(f'{split}_dataloader')
    if not evaluator or not isinstance(loader, dict):
        return []
    dataset = loader.get('dataset')
    metrics = [*metrics_of(evaluator, f'{split}_evaluator')]
    coco = [metric for metric in metrics if issubclass(metric.type, CocoMetric)]
    problems = [problem for metric in coco for problem in _setting_problems(metric)]
    problems += _mask_problems(coco, cfg.get('model') or {})
    if not is_multiple(evaluator):
        problems += _shared_names(metrics)
    if not coco or not isinstance(dataset, dict):
        return problems
    parts = [*leaves(dataset)]
    place = f'{split}_dataloader.dataset'
    for name in dict.fromkeys(map(type_name, _wrappers(dataset))):
        if name in REPEATING:
            problems.append(f'{place}: {name} evaluates images several times: remove it')
    if is_multiple(evaluator):
        prefixes = evaluator.get('dataset_prefixes') or ()
        if not len(metrics) == len(set(prefixes)) == len(prefixes) == len(parts):
            problems.append(
                f'{split}_evaluator has {len(metrics)} metrics and dataset_prefixes={prefixes}, '
                f'but {place} has {len(parts)} datasets: {SEVERAL} needs a metric and a prefix '
                'of its own for each'
            )
            return problems
        pairs = zip(metrics, parts)
    elif len(parts) != 1:
        if not all(_is_merged(metric, parts) for metric in coco):
            problems.append(
                f'{place} consists of {len(parts)} datasets, but {coco[0].name} compares with one '
                'ann_file. Give images and annotations ids that are unique across the datasets and '
                f"merge the files, or set type='{SEVERAL}', metrics=[one for each dataset] and "
                'dataset_prefixes=[...]'
            )
        return problems
    else:
        pairs = ((metric, parts[0]) for metric in coco)
    for metric, leaf in pairs:
        if metric in coco:
            problems += _ann_file_problems(metric, leaf, place)
    return problems


def metrics_of(evaluator, name: str) -> Iterator[Metric]:
    """The metrics of ``val_evaluator`` or ``test_evaluator``, without those of unknown types."""
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        evaluator, name = evaluator['metrics'], f'{name}.metrics'
    entries = [evaluator] if isinstance(evaluator, dict) else evaluator
    for i, settings in enumerate(entries):
        if not isinstance(settings, dict):
            continue
        kind = resolve_type(settings, METRICS)
        if isinstance(kind, type):
            prefix = settings.get('prefix') or getattr(kind, 'default_prefix', None)
            yield Metric(
                name if entries[0] is evaluator else f'{name}[{i}]', settings, kind, prefix
            )


def is_multiple(evaluator) -> bool:
    """Whether an evaluator has a metric for each of several datasets."""
    return isinstance(evaluator, dict) and type_name(evaluator) == SEVERAL


def _wrappers(dataset: ConfigDict) -> Iterator[ConfigDict]:
    inner = [dataset.get('dataset'), *(dataset.get('datasets') or [])]
    for wrapped in inner:
        if isinstance(wrapped, dict):
            yield dataset
            yield from _wrappers(wrapped)


def _setting_problems(metric: Metric) -> list[str]:
    settings = metric.settings
    if settings.get('format_only') and settings.get('outfile_prefix') is None:
        return [
            f'{metric.name}: format_only=True writes results, but outfile_prefix, the start of '
            'their file names, is not set'
        ]
    if not is_known_code(metric.type):
        return []  # to build it might write files, or need the ann_file
    try:
        metric.type(
            **{k: v for k, v in settings.items() if k not in ('type', 'ann_file', '_scope_')}
        )
    except Exception as error:  # whatever the class raises, it would raise it later
        return [f'{metric.name}: {describe_error(error)}']
    return []


def _mask_problems(metrics: Sequence[Metric], model: ConfigDict) -> list[str]:
    """Metrics of masks for a model without anything named after masks."""
    if not model or any('mask' in str(key) for _, node in dicts(model, 'model') for key in node):
        return []
    return [
        f"{metric.name}: metric has 'segm', but the model predicts no masks: remove it"
        for metric in metrics
        if 'segm' in (metric.settings.get('metric') or ())  # text or a list
    ]


def _shared_names(metrics: Sequence[Metric]) -> list[str]:
    """Metrics that log numbers of the same names: MMEngine stops at the end of the evaluation."""
    problems = []
    for first, second in combinations(metrics, 2):
        shared = logged_names(first) & logged_names(second)
        if first.name != second.name and first.prefix == second.prefix and shared:
            problems.append(
                f'{first.name} and {second.name} log the same names, such as '
                f'{first.prefix}/{min(shared)}. Give one of them another prefix, such as '
                f"prefix='{first.prefix}2'"
            )
    return problems


def logs_known_numbers(kind: type) -> bool:
    """Whether a metric logs what ``CocoMetric`` or one of ours does, and no more."""
    return getattr(kind, 'compute_metrics', None) in KNOWN_NUMBERS


def logged_names(metric: Metric) -> set[str]:
    """Names that a metric logs, a few of them where they are many; empty if not known."""
    settings = metric.settings
    if settings.get('format_only') or metric.prefix is None or 'Dump' in metric.type.__name__:
        return set()
    if not issubclass(metric.type, CocoMetric):
        return {metric.type.__name__}
    kinds = settings.get('metric') or 'bbox'
    items = settings.get('metric_items') or CocoLRPMetric.ap_items
    if not settings.get('metric_items') and issubclass(metric.type, LVIS):
        items = LVISLRPMetric.ap_items
    names = set()
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        names |= {'AR@100'} if kind.startswith('proposal') else {f'{kind}_{i}' for i in items}
    return names | ({'CLASS_precision'} if settings.get('classwise') else set())


def _ann_file_problems(metric: Metric, dataset: ConfigDict, place: str) -> list[str]:
    ann_file = metric.settings.get('ann_file')
    if not is_local_coco(dataset):
        return []
    of_dataset = ann_file_of(dataset)
    advice = f'Set {metric.name}.ann_file to {of_dataset!r}'
    if ann_file is None:
        if _gives_instances(dataset):
            return []
        return [f'{metric.name} has no ann_file. {advice}, the annotations of {place}']
    if '://' in ann_file or os.path.abspath(ann_file) == os.path.abspath(of_dataset):
        return []
    if not os.path.isfile(ann_file):
        return [f'{metric.name}.ann_file is {ann_file}, but there is no such file. {advice}']
    try:
        mine, theirs = (_contents(path) for path in (of_dataset, ann_file))
    except (OSError, CocoFormatError):
        return []  # the check of the dataset reports the file, or MMDetection does
    for what, own, other in zip(('images', 'categories'), mine, theirs):
        different = [f'{key}: {own[key]!r}' for key in own if other.get(key) != own[key]]
        if different or (what == 'images' and len(own) < len(other)):
            return [
                f'{metric.name}.ann_file is {ann_file}, but {place} reads {of_dataset}, with other '
                f'{what}{": " + format_list(different) if different else ""}. {advice}'
            ]
    return []


def _is_merged(metric: Metric, parts: Sequence[ConfigDict]) -> bool:
    """Whether the file of a metric is that of several datasets, merged."""
    ann_file = metric.settings.get('ann_file')
    if not ann_file or not all(map(is_local_coco, parts)):
        return False
    try:
        merged, *contents = map(_contents, (ann_file, *map(ann_file_of, parts)))
    except (OSError, CocoFormatError):
        return False
    ids = [i for images, _ in contents for i in images]
    same_classes = all(categories == merged[1] for _, categories in contents)
    return same_classes and sorted(ids, key=str) == sorted(merged[0], key=str)


def _contents(path: str) -> tuple[dict, dict]:
    """Names of the images and of the categories of a file by id."""
    lists = ('images', 'file_name'), ('categories', 'name')
    content = read_annotations(path, {key: Fields() for key, _ in lists})
    return tuple({e.get('id'): e.get(name) for e in content[key]} for key, name in lists)


def _gives_instances(dataset: ConfigDict) -> bool:
    """Whether the ground truth comes with the images: it then replaces ``ann_file``."""
    packing = [t for t in dataset.get('pipeline') or [] if type_name(t).startswith('Pack')]
    return any('instances' in (t.get('meta_keys') or ()) for t in packing)
