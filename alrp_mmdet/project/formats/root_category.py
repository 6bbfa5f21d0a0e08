"""Removes the category that exports of Roboflow add above all others."""

from collections.abc import Sequence

from ...datasets.categories import root_category
from ..findings import Findings
from .split import Split


def remove_root_categories(splits: Sequence[Split], findings: Findings) -> None:
    """Remove categories that only group all others: MMDetection would train a class too many.

    Args:
        splits (Sequence[Split]): All splits, because an object in any of them makes it a class.
        findings (Findings): Gets a warning for each category.
    """
    for split in splits:
        while True:
            categories = split.content['categories']
            root = root_category(categories, split.content['annotations'])
            if root is None:
                break
            # Roboflow may name the root like a class.
            unique = split.classes.count(root['name']) == 1
            if unique and any(_has_objects(root['name'], other) for other in splits):
                break
            split.content['categories'] = [c for c in categories if c is not root]
            split.ann_file = None
            findings.warning(
                split.source,
                'category without objects that is the supercategory of all others: removed',
                repr(root['name']),
            )


def _has_objects(name: str, split: Split) -> bool:
    ids = {c['id'] for c in split.content['categories'] if c['name'] == name}
    return any(annotation.get('category_id') in ids for annotation in split.content['annotations'])
