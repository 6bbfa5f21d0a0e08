"""The figure in the documentation shows what it claims, and is up to date."""

import html
import json
import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / 'docs' / 'figures' / 'motivation.py'
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason='no docs in this installation')


@pytest.fixture(scope='module')
def script() -> dict:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope='module')
def numbers(script) -> dict[str, dict[str, float]]:
    return {name: script['measure'](ious) for name, ious in script['LOCALISERS'].items()}


def test_localisers_differ_only_in_the_order_of_boxes(script):
    top, anywhere, bottom = script['LOCALISERS'].values()
    assert sorted(top) == sorted(anywhere) == sorted(bottom)


def test_only_alrp_loss_orders_localisers_as_ap_does(numbers):
    def values(measure):
        return [localiser[measure] for localiser in numbers.values()]

    best, middle, worst = values('AP')
    assert best > middle + 0.02 and middle > worst + 0.02
    best, middle, worst = values('aLRP Loss')
    assert best < middle - 0.02 and middle < worst - 0.02
    assert len(set(values('AP Loss'))) == 1
    assert values('AP Loss + mean') == pytest.approx([values('AP Loss + mean')[0]] * 3)


def test_numbers_match_a_calculation_by_hand(numbers):
    first = numbers['best boxes at the top']
    # Correct at ranks 1, 2, 4, 6, 7: precisions 1, 1, 3/4, 4/6, 5/7. Interpolation raises 4/6
    # to 5/7.
    classification = 1 - (1 + 1 + 3 / 4 + 5 / 7 + 5 / 7) / 5
    assert first['AP Loss'] == pytest.approx(classification)
    # Errors of the five, from the top: 0.1, 0.3, 0.5, 0.7, 0.9. Running sums, divided by the ranks.
    localisation = (0.1 / 1 + 0.4 / 2 + 0.9 / 4 + 1.6 / 6 + 2.5 / 7) / 5
    not_interpolated = 1 - (1 + 1 + 3 / 4 + 4 / 6 + 5 / 7) / 5
    assert first['aLRP Loss'] == pytest.approx(not_interpolated + localisation, abs=1e-6)


def test_figure_shows_the_current_numbers(numbers):
    svg = SCRIPT.with_suffix('.svg').read_text(encoding='utf-8')
    shown = json.loads(html.unescape(re.search(r'<dc:description>(.*?)</', svg, re.DOTALL)[1]))
    assert list(shown) == list(numbers)
    for name, values in numbers.items():
        assert shown[name] == pytest.approx(values, abs=1e-6)


def test_script_draws_the_figure(script, tmp_path, monkeypatch):
    monkeypatch.setattr('sys.argv', ['motivation.py', '--out', str(tmp_path / 'figure.png')])
    script['main']()
    assert (tmp_path / 'figure.png').stat().st_size > 10_000
