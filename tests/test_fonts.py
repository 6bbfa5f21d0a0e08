"""Class names in other scripts are drawn with a font of the machine, or give one warning."""

import warnings

import matplotlib
import pytest
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from alrp_mmdet.drawing import plt
from alrp_mmdet.fonts import use_fonts_for


@pytest.fixture
def stix_only():
    """A character that STIX has but DejaVu Sans has not; both come with matplotlib."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        fonts = (font_manager.findfont(name) for name in ('STIXGeneral', 'DejaVu Sans'))
        stix, dejavu = (set(FT2Font(font).get_charmap()) for font in fonts)
        yield next(chr(c) for c in sorted(stix - dejavu) if chr(c).isalpha())


def glyph_warnings(text: str) -> list[str]:
    figure = plt.figure()
    figure.text(0, 0, text)
    with warnings.catch_warnings(record=True) as caught:
        figure.canvas.draw()
    plt.close(figure)
    return [str(entry.message) for entry in caught if 'Glyph' in str(entry.message)]


def test_a_font_with_the_characters_is_found(stix_only, capsys):
    assert glyph_warnings(stix_only)
    use_fonts_for(['bolt', f'a{stix_only}'])
    assert matplotlib.rcParams['font.family'][0] == 'sans-serif'
    assert not glyph_warnings(f'a{stix_only}')
    assert 'Noto' not in capsys.readouterr().out


def test_latin_names_change_nothing():
    before = dict(matplotlib.rcParams)
    use_fonts_for(['Schraube', 'écrou', 'гайка', 'β'])
    assert dict(matplotlib.rcParams) == before


def test_one_warning_without_a_font(stix_only, monkeypatch, mmengine_log):
    fonts = [f for f in font_manager.fontManager.ttflist if 'STIX' in f.name or 'DejaVu' in f.name]
    monkeypatch.setattr(font_manager.fontManager, 'ttflist', fonts)
    use_fonts_for(['螺栓', '螺母', stix_only])
    # matplotlib may log which weight of a font it takes instead.
    [record] = [r for r in mmengine_log.records if not r.name.startswith('matplotlib')]
    message = record.message
    assert all(char in message for char in '螺栓母') and stix_only not in message
    assert not glyph_warnings(stix_only)
    with warnings.catch_warnings(record=True) as caught:
        figure = plt.figure()
        figure.text(0, 0, '螺栓')
        figure.canvas.draw()
        plt.close(figure)
    assert not caught
