"""What is found wrong with a data set, collected to be told at once."""

from alrp.text import format_list


class Findings:
    """Errors, which have to be mended, and warnings, by the place that they were found in.

    Each is told once, with the number of its different examples and the first few of them.
    """

    def __init__(self):
        self.errors = {}
        self.warnings = {}

    def error(self, place, text: str, example: str | None = None) -> None:
        """Note what keeps the data from being used.

        Args:
            place: What was looked at, such as a folder.
            text (str): What is wrong and what to do about it.
            example (str, optional): Where in it: a file with a line, an image. Defaults to None.
        """
        _add(self.errors, place, text, example)

    def warning(self, place, text: str, example: str | None = None) -> None:
        """Note what the data can be used in spite of. Takes the arguments of ``error``."""
        _add(self.warnings, place, text, example)

    def __str__(self) -> str:
        parts = []
        for title, entries in (('errors', self.errors), ('warnings', self.warnings)):
            last = None
            for (place, text), examples in sorted(entries.items(), key=lambda entry: entry[0][0]):
                if last is None:
                    parts.append(f'{title}:')
                if place != last:
                    parts.append(f'  {place}')
                counted = f' ({len(examples)}x: {format_list(examples)})' if examples else ''
                parts.append(f'    - {text}{counted}')
                last = place
        return '\n'.join(parts)


def _add(entries: dict, place, text: str, example: str | None) -> None:
    examples = entries.setdefault((str(place), text), {})
    if example is not None:
        examples[example] = None
