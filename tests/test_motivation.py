"""What the figure of the documentation claims is so, and the figure is up to date."""

import html
import json
import re
import runpy
from pathlib import Path

import pytest

import alrp_mmdet  # noqa: F401 - with MMDetection, without which the script would import it

SCRIPT = Path(__file__).parents[1] / 'docs' / 'figures' / 'motivation.py'
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason='installed without documentation')


@pytest.fixture(scope='module')
def script() -> dict:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope='module')
def numbers(script) -> dict[str, dict[str, float]]:
    return {name: script['measure'](ious) for name, ious in script['LOCALISERS'].items()}


def test_boxes_are_the_same_but_for_their_place(script):
    top, anywhere, bottom = script['LOCALISERS'].values()
    assert sorted(top) == sorted(anywhere) == sorted(bottom)


def test_alrp_loss_alone_orders_localisers_as_ap_does(numbers):
    def values(name):
        return [of_localiser[name] for of_localiser in numbers.values()]

    best, middle, worst = values('AP')
    assert best > middle + 0.02 and middle > worst + 0.02
    best, middle, worst = values('aLRP Loss')
    assert best < middle - 0.02 and middle < worst - 0.02
    assert len(set(values('AP Loss'))) == 1
    assert values('AP Loss + mean') == pytest.approx([values('AP Loss + mean')[0]] * 3)


def test_numbers_are_what_they_are_by_hand(numbers):
    first = numbers['best boxes at the top']
    # Right at ranks 1, 2, 4, 6, 7: precisions 1, 1, 3/4, 4/6, 5/7, the fourth raised to the last's.
    classification = 1 - (1 + 1 + 3 / 4 + 5 / 7 + 5 / 7) / 5
    assert first['AP Loss'] == pytest.approx(classification)
    # Errors of the five, from the top, are 0.1, 0.3, 0.5, 0.7, 0.9: their running sums over ranks.
    localisation = (0.1 / 1 + 0.4 / 2 + 0.9 / 4 + 1.6 / 6 + 2.5 / 7) / 5
    not_interpolated = 1 - (1 + 1 + 3 / 4 + 4 / 6 + 5 / 7) / 5
    assert first['aLRP Loss'] == pytest.approx(not_interpolated + localisation, abs=1e-6)


def test_figure_has_these_numbers(numbers):
    svg = SCRIPT.with_suffix('.svg').read_text(encoding='utf-8')
    shown = json.loads(html.unescape(re.search(r'<dc:description>(.*?)</', svg, re.DOTALL)[1]))
    assert list(shown) == list(numbers)
    for name, values in numbers.items():
        assert shown[name] == pytest.approx(values, abs=1e-6)


def test_it_draws(script, tmp_path, monkeypatch):
    monkeypatch.setattr('sys.argv', ['motivation.py', '--out', str(tmp_path / 'figure.png')])
    script['main']()
    assert (tmp_path / 'figure.png').stat().st_size > 10_000
