"""tools/analysis/lrp.py --html: the report, read as a browser reads it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lrp_helpers import NAMES

from alrp.lrp import evaluate_lrp
from alrp.lrp.report import make_report


class Page(HTMLParser):
    """A page as a browser reads it: tags with attributes, and text by tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], {}, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open = tag, dict(attributes).get('id')
        self.texts.setdefault(self.open, []).append('')

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open is not None:
            self.texts[self.open][-1] += data

    @property
    def data(self):
        return json.loads(self.texts['script', 'data'][0])


def test_report(main, files):
    pytest.importorskip('plotly')
    main(['gt.json', 'results.json', '--html', 'report.html'])
    page = Page(Path('report.html').read_text(encoding='utf-8'))
    rows = [attributes for tag, attributes in page.tags if 'data-class' in attributes]
    assert len(rows) == len(NAMES)
    assert sorted(text for text in page.texts['a', None]) == sorted(NAMES)
    assert sorted(t.split(' · ')[0] for t in page.texts['option', None]) == sorted(NAMES)
    scripts = [attributes for tag, attributes in page.tags if tag == 'script']
    assert len(scripts) == 4  # data, plotly, charts, table: none that a name brought along
    for _, attributes in page.tags:
        for name in ('src', 'href', 'srcset', 'action', 'poster', 'data'):
            assert attributes.get(name, '#').startswith(('#', 'data:')), attributes
    assert not re.search(r'url\(|@import', page.texts['style', None][0])

    evaluation = evaluate_lrp('gt.json', 'results.json')
    shown = {c['name']: c for c in page.data['classes']}
    for k, name in enumerate(NAMES[:3]):
        [mine] = shown[name]['of_sets']
        optimum = evaluation.lrp_opt_thr[k, 0], evaluation.olrp[k, 0]
        points = list(zip(mine['curve']['score'], mine['curve']['error']))
        assert any(point == pytest.approx(optimum, rel=1e-4) for point in points)
        assert (mine['optimum']['threshold'], mine['optimum']['oLRP']) == pytest.approx(
            optimum, rel=1e-4
        )
    assert shown['no object']['of_sets'][0]['optimum']['threshold'] is None
    lead = [text.strip() for text in page.texts['span', None]]
    assert f'{evaluation.summary["oLRP"]:.3f}' in lead and f'{evaluation.summary["AP"]:.3f}' in lead
    rows = page.texts['th', None]
    components = {f'1 \N{MINUS SIGN} {name}' for name in ('IoU', 'precision', 'recall')}
    assert components <= set(rows)  # apart from the names of parts of oLRP
    assert not {'localisation', 'false positives', 'missed objects'} & set(rows)


def test_report_of_two(main, files):
    pytest.importorskip('plotly')
    main(['gt.json', 'results.json', '--compare', 'other.json', '--html', 'report.html'])
    page = Page(Path('report.html').read_text(encoding='utf-8'))
    assert page.data['sets'] == ['results.json', 'other.json']
    a, b = (evaluate_lrp('gt.json', f'{name}.json') for name in ('results', 'other'))
    zebra = next(c for c in page.data['classes'] if c['name'] == 'zebra')
    shown = [of_set['optimum']['oLRP'] for of_set in zebra['of_sets']]
    assert shown == pytest.approx([a.olrp[2, 0], b.olrp[2, 0]], rel=1e-4)
    difference = f'{b.olrp[2, 0] - a.olrp[2, 0]:+.3f}'.replace('-', '\N{MINUS SIGN}')
    assert difference in [text.strip() for text in page.texts['span', None]]
    assert 'comparison-chart' in [attributes.get('id') for _, attributes in page.tags]


def test_report_refuses_what_cannot_be_compared(files):
    pytest.importorskip('plotly')
    a = evaluate_lrp('gt.json', 'results.json')
    b = evaluate_lrp('gt.json', 'results.json', max_dets=(1, 10))
    with pytest.raises(ValueError, match='max_dets'):
        make_report(dict(a=a, b=b))
    with pytest.raises(ValueError, match=r'two.* 3'):
        make_report(dict(a=a, b=a, c=a))
