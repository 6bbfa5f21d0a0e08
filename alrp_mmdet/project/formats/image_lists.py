"""Lists of images that divide a dataset into splits."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..findings import Findings
from .paths import SPLIT_WORDS, find_file, find_image, posix_path, split_named
from .similar_names import SimilarNames, warn_of_similar_name
from .text_files import read_lines
from .yolo_labels import find_label_file


def find_lists(folder: Path, images: Iterable[Path] = ()) -> dict[str, list[Path]]:
    """The text files in a folder that are named like a split, such as ``Validation.txt``.

    Args:
        folder (Path): The folder.
        images (Iterable[Path]): Images; a text file named like one of them holds its labels.

    Returns:
        dict[str, list[Path]]: Files by split, ``train``, ``val`` or ``test``.
    """
    stems = {image.stem for image in images}
    lists = {}
    for file in sorted(folder.glob('*.[tT][xX][tT]')) if folder.is_dir() else []:
        split = SPLIT_WORDS.get(file.stem.lower())
        if split is not None and file.is_file() and file.stem not in stems:
            lists.setdefault(split, []).append(file)
    return lists


def read_image_list(
    file: Path, folders: Sequence[Path], place: Path, findings: Findings
) -> dict[Path, Path | None]:
    """The images that a file lists, one a line, and label files that only the list leads to.

    Args:
        file (Path): The list. Paths may be of another machine and may lack the suffix.
        folders (Sequence[Path]): Folders that the paths may be relative to, besides that of the
            list.
        place (Path): The dataset, for messages.
        findings (Findings): Collects images that are not found.

    Returns:
        dict[Path, Path | None]: The label file of each image; None if it is where
        ``find_label_file`` expects it.
    """
    folders = list(dict.fromkeys([*folders, file.parent]))
    found, similar = {}, SimilarNames()
    for number, line in read_lines(file):
        image = find_image(line, folders, similar)
        if image is None:
            findings.skippable(place, 'images not found', f'{file}:{number} {line}')
            continue
        name = Path(posix_path(line)).name
        if name != image.stem:  # else the suffix is left out
            warn_of_similar_name(place, name, image, findings)
        if find_label_file(image).is_file():
            found[image] = None
        else:
            label_name = str(Path(posix_path(line)).with_suffix('.txt'))
            found[image] = find_file(label_name, folders, similar)
    return found


def divide(paths: Iterable[Path], folder: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """Divide files by the subfolders of ``folder`` that are named like a split.

    Args:
        paths (Iterable[Path]): Files in the folder.
        folder (Path): The folder.

    Returns:
        tuple[dict[str, list[Path]], list[Path]]: Files by split, and files in no split. The latter
        are empty if there is no folder for training: all of them are in ``train`` then.
    """
    sets, rest = {}, []
    for path in paths:
        parents = path.relative_to(folder).parts[:-1]
        split = next((s for s in map(split_named, parents) if s is not None), None)
        (rest if split is None else sets.setdefault(split, [])).append(path)
    return (sets, rest) if 'train' in sets else ({'train': rest, **sets}, [])


def report_unused(paths: Iterable[Path], place: Path, findings: Findings) -> None:
    for path in paths:
        findings.warning(place, 'files in no split: not used', path.name)
