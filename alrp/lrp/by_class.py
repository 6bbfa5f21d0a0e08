"""Files with a value for each class, by the name of the class: thresholds, calibration curves."""

import json
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ..text import format_list


def check_unique(names: Iterable[str], what: str, error: type[ValueError] = ValueError) -> None:
    """Check that no two classes share a name.

    Args:
        names (Iterable[str]): Names of the classes.
        what (str): What is stored by name, for messages.
        error (type[ValueError]): The error to raise.

    Raises:
        ValueError: If two do.
    """
    [(name, count)] = Counter(names).most_common(1) or [('', 0)]
    if count > 1:
        raise error(
            f'{what} are stored by class name, but {count} classes are called {name!r}. Rename '
            'them in the annotation file'
        )


def check_classes(
    names: Collection[str], classes: Collection[str], what: str, where: str, error: type[ValueError]
) -> None:
    """Check that a file has a value for each class of a model, and no others.

    Args:
        names (Collection[str]): Names in the file.
        classes (Collection[str]): Names of the classes of the model.
        what (str): What the file has for each class, for messages.
        where (str): The file, for messages.
        error (type[ValueError]): The error to raise.

    Raises:
        ValueError: If the names differ.
    """
    missing = [name for name in classes if name not in names]
    unknown = [name for name in names if name not in classes]
    problems = [f'no {what} for the class {format_list(missing)}'] if missing else []
    problems += [f'no class {format_list(unknown)} in the model'] if unknown else []
    if problems:
        raise error(f'{where} does not match the model: {", and ".join(problems)}')


def read_by_class(
    path: str | os.PathLike[str], key: str, expected: str, error: type[ValueError]
) -> dict[str, Any]:
    """Read a JSON file that has an object with the names of classes as keys.

    Args:
        path (str | os.PathLike): The file.
        key (str): The key of this object.
        expected (str): The end of the message about other content.
        error (type[ValueError]): The error to raise.

    Returns:
        dict: The content of the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not JSON, or does not have such an object.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f'no such file: {path}') from None
    except ValueError as problem:
        raise error(f'{path} is not valid JSON: {problem}') from None
    if not isinstance(content, dict) or not isinstance(content.get(key), dict):
        raise error(f'{path} has no object "{key}" that maps class names to {expected}')
    return content


def is_number(value: object) -> bool:
    """Whether a value from a JSON file is a finite number. A bool is not, nor is 10**400."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max
