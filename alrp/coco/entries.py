"""One list of entries of a COCO-format file, and its problems: one sentence per problem.

A sentence gives the number of bad entries, names the first few of them, and shows their values.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from ..text import counted, format_list
from .columns import (
    ANYTHING,
    ID,
    NUMBER,
    TEXT,
    Types,
    malformed_boxes,
    malformed_lists,
    not_finite,
    of_wrong_type,
    present,
    repeated,
    unknown,
)

Entry = dict[str, Any]

_OF_LVIS = "LVIS needs it; COCO's rules do without"
ADVICE = dict(  # about keys that are often absent
    area='the width * height of the box will do',
    iscrowd='0 will do',
    neg_category_ids=_OF_LVIS,
    not_exhaustive_category_ids=_OF_LVIS,
    frequency=_OF_LVIS,
)


class Entries:
    """Images, categories, annotations or results, read column by column.

    Args:
        entries (Sequence[dict]): The entries.
        name (str): ``images``, ``categories``, ``annotations`` or ``results``.
        around (Mapping, optional): Content of the file, of which this is one list. Defaults to {}.
    """

    def __init__(self, entries: Sequence[Entry], name: str, around: Mapping[str, Any] = {}):
        self.entries = entries
        self.name = name
        self.around = around
        self._columns: dict[str, tuple[Sequence[int], list[Any]]] = {}

    def _column(self, key: str) -> tuple[Sequence[int], list[Any]]:
        if key not in self._columns:
            self._columns[key] = present(self.entries, key)
        return self._columns[key]

    def values(self, key: str) -> list[Any]:
        """The values of a key, of the entries that have it."""
        return self._column(key)[1]

    def missing_keys(self, keys: Iterable[str]) -> list[str]:
        """Entries that lack a key that every entry needs."""
        problems = []
        for key in keys:
            having, _ = self._column(key)
            if len(having) < len(self.entries):
                lacking = sorted({*range(len(self.entries))} - {*having})
                advice = f' ({ADVICE[key]})' if key in ADVICE else ''
                labels = format_list(map(self.label, lacking))
                problems.append(f'{self._having(lacking)} no {key!r}{advice}: {labels}')
        return problems

    def wrong_types(self, types: Mapping[str, Types]) -> list[str]:
        """Values of the wrong type, and numbers that are not finite.

        Args:
            types (Mapping[str, tuple[type, ...]]): Accepted types by key. A key may be absent.
        """
        problems = []
        for key, accepted in types.items():
            if accepted == ANYTHING:
                continue
            positions, values = self._column(key)
            wrong = of_wrong_type(values, accepted)
            if not wrong and accepted in (ID, NUMBER) and str not in set(map(type, values)):
                wrong = not_finite(values)
            if wrong:
                what = f'is not {_describe(accepted)}'
                problems.append(self.problem(key, [positions[i] for i in wrong], what))
        return problems

    def shared_ids(self) -> list[str]:
        """Ids that several entries share. Needs ids that are numbers or text."""
        shared = repeated(self.values('id'))
        if not shared:
            return []
        ids = counted(len(shared), 'id is', 'ids are')
        return [f'{ids} shared by several {self.name}: {format_list(shared)}']

    def unknown_references(self, key: str, known: Set[Any], where: str) -> list[str]:
        """References to an image or category that does not exist.

        Args:
            key (str): ``image_id`` or ``category_id``.
            known (Set): The ids that exist.
            where (str): What has these ids, such as ``images``.
        """
        positions, values = self._column(key)
        lost = unknown(values, known)
        if not lost:
            return []
        text = self.problem(key, [positions[i] for i in lost], f'is not in {where}')
        return [f'{text}. Known ids: {format_list(map(repr, known)) or "none"}']

    def malformed_boxes(self) -> list[str]:
        """Boxes other than ``[x, y, width, height]`` of finite numbers."""
        positions, boxes = self._column('bbox')
        wrong = malformed_boxes(boxes)
        if not wrong:
            return []
        what = 'is other than four finite numbers [x, y, width, height]'
        return [self.problem('bbox', [positions[i] for i in wrong], what)]

    def malformed_keypoints(self, count: int) -> list[str]:
        """Keypoints other than ``count`` times x, y, v of finite numbers."""
        positions, lists = self._column('keypoints')
        wrong = malformed_lists(lists, 3 * count)
        if not wrong:
            return []
        numbers = format_list({len(lists[i]) for i in wrong if hasattr(lists[i], '__len__')})
        what = (
            f'is other than {3 * count} finite numbers, x, y and v of {count} keypoints '
            f'(lengths found: {numbers or "none"})'
        )
        labels = format_list(map(self.label, (positions[i] for i in wrong)))
        return [f'{self._having(wrong)} a list of keypoints that {what}: {labels}']

    def problem(self, key: str, positions: Sequence[int], what: str) -> str:
        """The sentence about wrong values.

        Args:
            key (str): The key of the values.
            positions (Sequence[int]): Positions of the entries with a wrong value.
            what (str): What is wrong, such as ``is negative``.

        Returns:
            str: The sentence.
        """
        article = 'an' if key[0] in 'aei' else 'a'
        examples = (f'{self.entries[i][key]!r} ({self.label(i)})' for i in positions)
        return f'{self._having(positions)} {article} {key} that {what}: {format_list(examples)}'

    def _having(self, positions: Sequence[int]) -> str:
        return counted(len(positions), 'has', 'have', f'of {len(self.entries)} {self.name}')

    def label(self, position: int) -> str:
        entry = self.entries[position]
        if self.name == 'annotations' and ('read_from' in entry or 'id' in entry):
            return label_annotation(entry)
        if self.name != 'results' and 'id' in entry:
            return f'id {entry["id"]}'
        return f'entry {position}, counted from 0'


def label_annotation(annotation: Entry) -> str:
    """What a message calls an annotation: its ids, or ``read_from``.

    ``read_from`` is the place in the original file, which a converter from another format may add.
    """
    label = annotation.get('read_from')
    return label or f'id {annotation.get("id")} of image {annotation.get("image_id")}'


def _describe(types: Types) -> str:
    if types == TEXT:
        return 'text'
    if str in types:
        return 'a number or text'
    return 'a whole number' if int in types else 'a finite number'
