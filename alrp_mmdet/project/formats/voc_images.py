"""Finds the image of a Pascal VOC file."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from alrp.text import fold_name

from ..findings import Findings
from .paths import IMAGE_SUFFIXES, NOT_PICTURES, list_images, posix_path
from .similar_names import warn_of_similar_name
from .voc_sets import XML_FOLDERS

IMAGE_FOLDERS = 'JPEGImages', 'images', 'Images', 'imgs', 'img'


class VocImages:
    """The images near a folder of XML files.

    Args:
        annotations (Path): Folder of the XML files.
        images (Path | None): The image folder; None to search near the XML files.
    """

    def __init__(self, annotations: Path, images: Path | None):
        if images is not None:
            folders = [images]
        else:
            parent = annotations.parent
            folders = [place / name for place in (annotations, parent) for name in IMAGE_FOLDERS]
            folders += [annotations, *([parent] if annotations.name in XML_FOLDERS else [])]
        self._places = {}
        for place, folder in enumerate(folders):
            for path in list_images(folder) if folder.is_dir() else []:
                self._places.setdefault(path, place)
        self._by_stem, self._similar = defaultdict(list), defaultdict(list)
        for path in self._places:
            self._by_stem[path.stem].append(path)
            self._similar[fold_name(path.stem)].append(path)

    def find(self, xml: Path, filename: str, folder: str, findings: Findings) -> Path | None:
        """The image with the name of the XML file, or else the one that the file names.

        Of several, the one with the extension that the file names is preferred, then that in the
        folder of the XML file, or in one of the same name, or in the one that the file names.

        Args:
            xml (Path): The XML file.
            filename (str): Its ``filename``, a name or path.
            folder (str): Its ``folder``, a name or path.
            findings (Findings): Gets an error if several images fit equally, and a warning if only
                the names of their folders make the difference.

        Returns:
            Path | None: The image, or None.
        """
        named, wanted = Path(posix_path(filename)), Path(posix_path(folder)).name
        suffix = named.suffix.lower()
        own = self._by_stem.get(xml.stem)
        found = own or [
            path
            for path in self._by_stem.get(named.stem, []) + self._by_stem.get(named.name, [])
            if path.name == named.name or suffix not in IMAGE_SUFFIXES
        ]
        if not found:
            found = self._find_similar(xml, named, findings)
        elif own and any(p.name == named.name != own[0].name for p in self._by_stem[named.stem]):
            text = 'XML files that name another image: that with the name of the XML file was taken'
            findings.warning(xml.parent, text, f'{named.name} in {xml.name}')
        if len(found) < 2:
            return found[0] if found else None

        def evidence(path: Path) -> tuple:
            return (
                suffix in IMAGE_SUFFIXES and path.suffix.lower() != suffix,
                path.parent != xml.parent,
                path.parent.name != xml.parent.name,
                path.parent.name != wanted,
            )

        def rank(path: Path) -> tuple:
            odd = any(word in path.parent.name.lower() for word in NOT_PICTURES)
            return *evidence(path), odd, self._places[path]

        best, second = sorted(found, key=rank)[:2]
        if rank(best) == rank(second):
            text = 'several images fit equally; use --images to give their folder'
            findings.error(xml.parent, text, f'{best} and {second} of {xml.name}')
        elif evidence(best) == evidence(second):
            text = 'several images have the name: the first was taken; --images gives their folder'
            findings.warning(xml.parent, text, f'{best} and {second} of {xml.name}')
        return best

    def report_unannotated(
        self, used: Iterable[Path], xml_stems: Iterable[str], place: Path, findings: Findings
    ) -> None:
        """Warn about images without an XML file, in the folders of those that have one.

        Args:
            used (Iterable[Path]): Images that have an XML file.
            xml_stems (Iterable[str]): Names of all XML files, without suffix.
            place (Path): The dataset, for messages.
            findings (Findings): Gets the warning.
        """
        used, stems = {*used}, {*xml_stems}
        folders = {path.parent for path in used}
        for path in self._places:
            if path.parent in folders and path not in used and path.stem not in stems:
                findings.warning(place, 'images without an .xml file: not used', path.name)

    def _find_similar(self, xml: Path, named: Path, findings: Findings) -> list[Path]:
        """Images whose names differ in capitalisation, the coding of accents, or %20."""
        stems = dict.fromkeys(map(fold_name, (xml.stem, named.stem, unquote(named.stem))))
        found = {path: None for stem in stems for path in self._similar.get(stem, [])}
        if len(found) == 1:
            warn_of_similar_name(xml.parent, named.name or xml.stem, *found, findings)
        return [*found]
