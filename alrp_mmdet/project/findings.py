"""Problems found in a dataset, collected so that they can be reported together."""

from alrp.text import format_list

HOLD_OUT = '--val-fraction 0.2 holds out a part of the training images instead'
MARK = '[can be left out]'  # at errors that --skip-missing solves, if there are others
SKIP_ALL = '  To leave out what is missing or unusable, use --skip-missing'
SKIP_SOME = f'  --skip-missing leaves out what is marked {MARK}: correct the others'


class Findings:
    """Errors, which must be fixed before training, and warnings, by file or folder.

    Each problem is listed once, with the number of distinct examples and the first few of them.

    Attributes:
        skip_missing (bool): Whether missing files and unusable boxes are left out with a warning
            instead of being an error.
        unused (set[str]): Names of splits that are not used, so that their problems do not count.
    """

    def __init__(self):
        self.skip_missing = False
        self.unused: set[str] = set()
        self.errors = {}
        self.can_skip = set()  # the keys of errors that skip_missing turns into warnings
        self.warnings = {}

    def error(self, place, text: str, example: str | None = None) -> None:
        """Add a problem that must be fixed.

        Args:
            place: File or folder with the problem.
            text (str): What is wrong and what to do about it.
            example (str, optional): Where exactly, such as an image, or a file and line. Defaults
                to None.
        """
        _add(self.errors, place, text, example)

    def warning(self, place, text: str, example: str | None = None) -> None:
        """Add a problem that does not prevent training. Takes the arguments of ``error``."""
        _add(self.warnings, place, text, example)

    def skippable(self, place, text: str, example: str | None = None) -> None:
        """Add what ``--skip-missing`` leaves out. Takes the arguments of ``error``."""
        if self.skip_missing:
            self.warning(place, f'left out: {text}', example)
        else:
            self.error(place, text, example)
            self.can_skip.add((str(place), text))

    def of_split(self, name: str) -> 'Findings':
        """What collects the problems of a split: this, or something else if it is not used."""
        if name not in self.unused:
            return self
        ignored = Findings()
        ignored.skip_missing = True
        return ignored

    def __str__(self) -> str:
        lines, skip_all = [], self.can_skip == self.errors.keys()
        for title, entries in (('errors', self.errors), ('warnings', self.warnings)):
            last_place = None
            for (place, text), examples in sorted(entries.items(), key=lambda entry: entry[0][0]):
                if last_place is None:
                    lines.append(f'{title}:')
                if place != last_place:
                    lines.append(f'  {place}')
                counted = f' ({len(examples)}x: {format_list(examples)})' if examples else ''
                can_skip = title == 'errors' and (place, text) in self.can_skip
                mark = f' {MARK}' if can_skip and not skip_all else ''
                lines.append(f'    - {text}{counted}{mark}')
                last_place = place
            if title == 'errors' and self.can_skip:
                lines.append(SKIP_ALL if skip_all else SKIP_SOME)
        return '\n'.join(lines)


def _add(entries: dict, place, text: str, example: str | None) -> None:
    examples = entries.setdefault((str(place), text), {})
    if example is not None:
        examples[example] = None
