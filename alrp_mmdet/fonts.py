"""Fonts for class names in other scripts than Latin, Greek and Cyrillic."""

import logging
import warnings
from collections.abc import Iterable

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from mmengine.logging import print_log

from alrp.text import format_list

PLACEHOLDERS = 'Last Resort'  # matplotlib's font of a box for every character
PREFERRED = 'CJK', 'Sans', 'Gothic', 'Hei'  # in names of fonts, the first most


def use_fonts_for(texts: Iterable[str]) -> None:
    """Let matplotlib draw texts with fonts of this machine that have their characters.

    Adds to the default font those that are needed. If characters remain, one warning replaces
    matplotlib's warning for each of them.

    Args:
        texts (Iterable[str]): The texts, such as class names.
    """
    default = _characters('sans-serif')
    needed = {ord(char) for text in texts for char in text if char.isprintable()}
    missing = needed - default
    if not missing:
        return
    fonts = {font.name for font in font_manager.fontManager.ttflist}
    names = sorted(name for name in fonts if not name.startswith(PLACEHOLDERS))
    covered = {name: _characters(name) & needed for name in names}
    added = []
    while missing:
        best = max(names, key=lambda name: (len(covered[name] & missing), _rank(name)))
        if not covered[best] & missing:
            break
        added.append(best)
        missing -= covered[best]
    matplotlib.rcParams['font.family'] = ['sans-serif', *added]
    if missing:
        warnings.filterwarnings('ignore', 'Glyph .* missing from', UserWarning)
        print_log(
            f'No font on this machine has {format_list(map(chr, sorted(missing)))}: pictures show '
            'squares instead. Install a font, such as Noto Sans CJK.',
            logger='current',
            level=logging.WARNING,
        )


def _rank(name: str) -> int:
    return -next((i for i, word in enumerate(PREFERRED) if word in name), len(PREFERRED))


def _characters(family: str) -> set[int]:
    properties = font_manager.FontProperties(family=[family])
    try:
        return set(FT2Font(font_manager.findfont(properties)).get_charmap())
    except (OSError, RuntimeError):  # fonts of bitmaps
        return set()
