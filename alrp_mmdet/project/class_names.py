"""Checks of the names of the classes: those that look like another spelling of the same class."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from alrp.text import counted

from .findings import Findings
from .formats import Split

MAX_RARE = 2  # objects of a class that may be a misspelt name of another
MIN_COMMON = 20  # objects of the most frequent class from which a rare one stands out
RENAME = dict(  # how to give objects another class, by format
    coco='give its annotations the category_id of the right class, and remove its category',
    voc='correct <name> in its .xml files',
    yolo='give its lines in the label files the number of the right class',
)


def check_class_names(splits: Sequence[Split], format: str, findings: Findings) -> None:
    """Report names that are empty, repeated, similar or rare, and where their first object is.

    Args:
        splits (Sequence[Split]): Splits with the same classes.
        format (str): Key of ``FORMATS``.
        findings (Findings): Collects problems.
    """
    source, counts = splits[0].source, Counter(splits[0].classes)
    if any(not name.strip() for name in counts):
        findings.error(source, 'classes without a name')
    for name in [name for name, count in counts.items() if count > 1]:
        findings.error(source, 'duplicate class names', repr(name))
    found = _places_by_class(splits)
    by_words = _group_by(counts, lambda name: ' '.join(name.split()))
    by_case = _group_by(by_words, str.lower)
    reported = set()
    for groups, difference, report in (
        (by_words, 'whitespace', findings.error),
        (by_case, 'upper and lower case', findings.warning),
    ):
        text = f'class names that differ only in {difference}: if one is misspelt, {RENAME[format]}'
        for names in groups.values():
            if len(names) > 1:
                report(source, text, ' and '.join(_describe(name, found[name]) for name in names))
                reported |= {*names}
    if max(map(len, found.values()), default=0) < MIN_COMMON:
        return
    text = f'classes with at most {MAX_RARE} objects: if one is misspelt, {RENAME[format]}'
    for name in counts:
        if name not in reported and 0 < len(found[name]) <= MAX_RARE:
            findings.warning(source, text, _describe(name, found[name]))


def _places_by_class(splits: Iterable[Split]) -> dict[str, list[str]]:
    """Where the objects of each class are; no entry for an object without a known image."""
    found = defaultdict(list)
    for split in splits:
        names = {category['id']: category['name'] for category in split.content['categories']}
        images = {image['id']: image for image in split.content['images']}
        for annotation in split.content['annotations']:
            name, image = (
                of.get(annotation.get(key))
                for of, key in ((names, 'category_id'), (images, 'image_id'))
            )
            if name is not None and image is not None:
                found[name].append(split.place_of(annotation, image))
    return found


def _describe(name: str, places: list[str]) -> str:
    if not places:
        return f'{name!r} (no objects)'
    return f'{name!r} ({counted(len(places), "object", "objects")}, first in {places[0]})'


def _group_by(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups
