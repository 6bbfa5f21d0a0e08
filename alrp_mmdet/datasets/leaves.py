"""The datasets of a config: inside wrappers, and those that read COCO format."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import ConfigDict

from ..config.types import resolve_type


def leaves(dataset: ConfigDict | None) -> Iterator[ConfigDict]:
    """The datasets inside wrappers such as ConcatDataset or RepeatDataset."""
    if not isinstance(dataset, dict):
        return
    wrapped = [dataset.get('dataset'), *(dataset.get('datasets') or [])]
    if any(inner is not None for inner in wrapped):
        for inner in wrapped:
            yield from leaves(inner)
    else:
        yield dataset


def is_local_coco(dataset: ConfigDict) -> bool:
    """Whether a dataset reads COCO format from the local disk as ``CocoDataset`` does."""
    kind = dataset_type(dataset)
    return (
        isinstance(kind, type)
        and issubclass(kind, CocoDataset)
        and kind.load_data_list is CocoDataset.load_data_list
        and kind.parse_data_info is CocoDataset.parse_data_info
        and not getattr(kind, 'generates_annotations', False)
        and (dataset.get('backend_args') or {}).get('backend', 'local') == 'local'
        and '://' not in f'{dataset.get("data_root")} {dataset.get("ann_file")}'
    )


def dataset_type(dataset: ConfigDict) -> type | None:
    """Class of a dataset, or None if it is not registered."""
    return resolve_type(dataset, DATASETS)


def classes_of_built(dataset: object) -> Sequence[str] | None:
    """The classes of a dataset that was built; None if it has none, or parts with different ones.

    ``ConcatDataset`` has a list of ``metainfo`` if its datasets differ.
    """
    metainfo = getattr(dataset, 'metainfo', None)
    parts = metainfo if isinstance(metainfo, list) else [metainfo or {}]
    first, *others = [part.get('classes') for part in parts]
    return first if all(classes == first for classes in others) else None


def ann_file_of(dataset: ConfigDict) -> str:
    """Path of the annotation file of a dataset."""
    return os.path.join(dataset.get('data_root') or '', dataset.get('ann_file') or '')


def classes_of(dataset: ConfigDict) -> tuple[str, ...] | str:
    """The classes of a dataset; the text in their place if that is not a file of names."""
    own = (dataset.get('metainfo') or {}).get('classes')
    classes = own or dataset_type(dataset).METAINFO['classes']
    if not isinstance(classes, str):
        return tuple(classes)
    if not os.path.isfile(classes):
        return classes
    return tuple(Path(classes).read_text(encoding='utf-8').splitlines())  # one name a line
