"""Finds files whose names differ slightly from what annotations say."""

import os
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from alrp.text import fold_name

from ..findings import Findings


class SimilarNames:
    """Files by name, where capitalisation, the coding of accents and %20 do not count.

    Windows and macOS ignore capitalisation, so annotations made there may name ``a.JPG`` as
    ``a.jpg``. Listings of folders are kept: do not reuse an object after files have changed.
    """

    def __init__(self):
        self._listings: dict[Path, dict[str, list[str]]] = {}

    def find(self, folder: Path, name: str) -> Path | None:
        """The file in a folder, if exactly one has a similar name.

        Args:
            folder (Path): The folder.
            name (str): A relative path with ``/`` between its parts.

        Returns:
            Path | None: The file.
        """
        for text in dict.fromkeys((name, unquote(name))):
            path = self._find(folder, PurePosixPath(text).parts)
            if path is not None:
                return path
        return None

    def _find(self, path: Path, parts: tuple[str, ...]) -> Path | None:
        if not parts or parts[0] == '/':
            return None
        for part in parts:
            if part == '..':
                path = path / part
                continue
            options = self._listing(path).get(fold_name(part), [])
            if part not in options and len(options) != 1:
                return None
            path = path / (part if part in options else options[0])
        return path if path.is_file() else None

    def _listing(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listings:
            found = self._listings[folder] = {}
            try:
                names = sorted(os.listdir(folder))
            except OSError:  # no such folder
                names = []
            for name in names:
                found.setdefault(fold_name(name), []).append(name)
        return self._listings[folder]


def warn_of_similar_name(place, written: str, path: Path, findings: Findings) -> None:
    """Report a file that was found under another name than the annotations give."""
    name = written.replace('\\', '/').rpartition('/')[2]
    if path.name != name:
        text = 'names that are written in another way than those of the files'
        findings.warning(place, text, f'{name} is {path.name}')
