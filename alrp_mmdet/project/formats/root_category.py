"""Removes the category that exports of Roboflow add above all others."""

from collections.abc import Sequence
from itertools import chain

from ...datasets.categories import root_category
from ..findings import Findings
from .split import Split


def remove_root_categories(splits: Sequence[Split], findings: Findings) -> None:
    """Remove categories that only group all others: MMDetection would train a class too many.

    Args:
        splits (Sequence[Split]): All splits, because an object in any of them makes it a class.
        findings (Findings): Gets a warning for each category.
    """
    annotations = [*chain.from_iterable(split.content['annotations'] for split in splits)]
    for split in splits:
        while True:
            categories = split.content['categories']
            root = root_category(categories, annotations)
            if root is None:
                break
            split.content['categories'] = [c for c in categories if c is not root]
            split.ann_file = None
            findings.warning(
                split.source,
                'category without objects that is the supercategory of all others: removed',
                repr(root['name']),
            )
