"""alrp lrp --errors and --images: tables, JSON, and the sections of the report."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from alrp.lrp import evaluate_lrp, find_errors
from alrp.lrp.error_types import TYPES
from alrp.lrp.errors import PARTS

NAMES = {1: 'cat & <b>dog</b>', 2: 'zebra', 3: 'no object'}
MISSED, FALSE = [70, 60, 50, 40], [5, 60, 20, 20]


def entry(box, category, **more):
    return dict(image_id=1, category_id=category, bbox=box, **more)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two images in ``pictures``, of one colour each, one of which has all the errors."""
    monkeypatch.chdir(tmp_path)
    objects = [([10, 10, 30, 30], 1), (MISSED, 2), ([150, 10, 30, 30], 2), ([150, 60, 30, 30], 1)]
    truth = dict(
        images=[
            dict(id=1, width=200, height=120, file_name='some/a b.png'),
            dict(id=2, width=200, height=120, file_name='none.png'),
        ],
        categories=[dict(id=i, name=name) for i, name in NAMES.items()],
        annotations=[
            entry(box, category, id=i + 1, area=box[2] * box[3], iscrowd=0)
            for i, (box, category) in enumerate(objects)
        ],
    )
    results = [
        entry(FALSE, 1, score=0.95),
        entry([150, 10, 30, 30], 1, score=0.9),  # of class 2
        entry([14, 10, 30, 30], 1, score=0.8),
        entry([150, 62, 30, 30], 1, score=0.7),
    ]
    Path('gt.json').write_text(json.dumps(truth))
    Path('results.json').write_text(json.dumps(results))
    image = pytest.importorskip('PIL.Image')
    Path('pictures/some').mkdir(parents=True)
    image.new('RGB', (200, 120), '#808080').save('pictures/some/a b.png')
    return truth, results


class Page(HTMLParser):
    """Attributes by tag, and the rows of the confusion matrix."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.rows, self.text = {}, [], ''
        self.cell = self.in_matrix = False
        self.feed(Path(path).read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.setdefault(tag, []).append(attributes)
        if tag == 'table':
            self.in_matrix = attributes.get('class') == 'matrix'
        if self.in_matrix and tag == 'tr':
            self.rows.append([])
        if self.in_matrix and tag in ('td', 'th'):
            self.rows[-1].append('')

    def handle_endtag(self, tag):
        self.in_matrix = self.in_matrix and tag != 'table'

    def handle_data(self, data):
        if self.in_matrix and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()
        self.text += data


def test_errors_of_two_results(main, files, capsys):
    _, results = files
    Path('other.json').write_text(json.dumps(results[1:]))  # without the false positive
    main(['gt.json', 'results.json', '--compare', 'other.json', '--errors', '--json', 'out.json'])
    printed = capsys.readouterr().out
    first, other = (
        find_errors(evaluate_lrp('gt.json', name), name) for name in ('results.json', 'other.json')
    )
    for name, a, b in (('Bkg', 1, 0), ('Cls', 1, 1)):
        x, y = first.mean_lrp[name], other.mean_lrp[name]
        counts = rf'{a} \| +{b} \| +{first.dap[name]:.3f} \| +{other.dap[name]:.3f}'
        numbers = rf'{counts} \| +{x:.3f} \| +{y:.3f} \| +{re.escape(f"{y - x:+.3f}")}'
        assert re.search(rf'^\| {name} +\| .* +{numbers} \|$', printed, re.MULTILINE), name
    assert 'count and dAP50 in all detections, oLRP at the LRP-optimal thresholds' in printed
    for name, errors in (('results.json', first), ('other.json', other)):
        table = printed.partition(f'Parts of oLRP, {name}:\n')[2].partition('\n\n')[0]
        for k, row in enumerate(table.splitlines()[2:4]):
            cells = [cell.strip() for cell in row.strip('| ').split('|')]
            of_class = errors.lrp[[*NAMES.values()].index(cells[0])]
            assert cells[1:-1] == [f'{part:.3f}' for part in of_class], k
    content = json.loads(Path('out.json').read_text())
    assert content['errors'] == first.to_dict()
    assert content['comparison']['errors'] == other.to_dict()


def test_tables(main, files, capsys):
    main(['gt.json', 'results.json', '--errors', '--json', 'out.json'])
    printed = capsys.readouterr().out
    errors = find_errors(evaluate_lrp('gt.json', 'results.json'), 'results.json')
    counts = dict(zip(TYPES, errors.counts.sum(axis=0).tolist()))
    assert counts == dict(Cls=1, Loc=0, Both=0, Dupe=0, Bkg=1, Miss=1)
    for name in TYPES:
        numbers = rf'{counts[name]} \| +{errors.dap[name]:.3f} \| +{errors.mean_lrp[name]:.3f}'
        assert re.search(rf'^\| {name} +\| .* +{numbers} \|$', printed, re.MULTILINE), name
    olrp = evaluate_lrp('gt.json', 'results.json').olrp[0, 0]
    parts = ' +'.join(rf'\| +{part:.3f}' for part in (*errors.lrp[0], olrp))
    assert re.search(rf'^\| cat & <b>dog</b> {parts} \|$', printed, re.MULTILINE)
    written = json.loads(Path('out.json').read_text())['errors']
    assert written == errors.to_dict()
    assert sum(written['oLRP'].values()) == pytest.approx((olrp + 1) / 2)
    main(['gt.json', 'results.json', '--json', 'out.json', '--force'])
    assert 'errors' not in json.loads(Path('out.json').read_text())
    assert 'Dupe' not in capsys.readouterr().out


def test_confusion_matrix_of_the_report(main, files):
    pytest.importorskip('plotly')
    main(['gt.json', 'results.json', '--html', 'report.html'])
    page = Page('report.html')
    head, *rows = page.rows
    assert head == ['', *NAMES.values(), 'missed']
    assert rows == [
        ['cat & <b>dog</b>', '2', '', '', ''],
        ['zebra', '1', '', '', '1'],
        ['no object', '', '', '', ''],
        ['other false positives', '1', '', '', ''],
    ]
    assert 'img' not in page.tags
    assert '(1, 50.0 %)' in page.text  # of the two zebras
    assert set(PARTS.values()) <= {line.strip() for line in page.text.split('\n')}


def test_report_of_two_says_whose_errors_it_shows(main, files):
    pytest.importorskip('plotly')
    Path('other.json').write_text('[]')
    main(['gt.json', 'results.json', '--html', 'one.html'])
    main(['gt.json', 'results.json', '--compare', 'other.json', '--html', 'two.html'])
    assert 'of the first detector only' in Page('two.html').text
    assert 'of the first detector only' not in Page('one.html').text


def test_pictures_of_the_report(main, files):
    pytest.importorskip('plotly')
    from PIL import Image

    truth, _ = files
    truth['annotations'].append(entry([100, 20, 20, 20], 2, id=5, area=400))
    Path('gt.json').write_text(json.dumps(truth))
    folder = Path('new')
    main(['gt.json', 'results.json', '--html', 'new/report.html', '--images', 'pictures'])
    page = Page(folder / 'report.html')
    links = [a['href'] for a in page.tags['a'] if a['href'].startswith('..')]
    assert links == ['../pictures/some/a%20b.png'] * len(page.tags['img'])
    found = {'object': 0, 'detection': 0}
    for picture in page.tags['img']:
        assert picture['alt'] == 'a b.png'
        kind, content = picture['src'].split(',')
        assert kind == 'data:image/jpeg;base64' and len(content) < 10000
        image = Image.open(io.BytesIO(base64.b64decode(content)))
        assert image.width <= 240 and image.height <= 150
        pixels = list(image.convert('RGB').getdata())
        found['object'] += any(g - max(r, b) > 30 and r < 90 for r, g, b in pixels)
        found['detection'] += any(r - b > 120 and g > 100 for r, g, b in pixels)
    # Class 1: two false positives, two true positives. Class 2: no threshold, two missed objects;
    # the one with a detection of class 1 is not a Miss error.
    assert len(page.tags['img']) == 6
    assert found == dict(object=5, detection=4)  # background has no object
    assert 'background, score 0.95' in page.text
    assert f'zebra detected as {NAMES[1]}, score 0.9' in page.text
    assert page.text.index('IoU 0.76') < page.text.index('IoU 0.88')  # worst first
    assert page.text.index('missed, 2,000 pixels') < page.text.index('missed, 400 pixels')


def test_pictures_show_the_outlines_of_masks(main, files):
    pytest.importorskip('plotly')
    pytest.importorskip('pycocotools')
    from PIL import Image

    truth, results = files
    for part in (*truth['annotations'], *results):  # the upper left triangle of each box
        x, y, w, h = part['bbox']
        part['segmentation'] = [[x, y, x + w, y, x, y + h]]
    Path('gt.json').write_text(json.dumps(truth))
    Path('results.json').write_text(json.dumps(results))
    argv = ['gt.json', 'results.json', '--iou-type', 'segm', '--images', 'pictures']
    main([*argv, '--html', 'report.html'])
    missed = Page('report.html').tags['img'][0]['src'].split(',')[1]
    image = Image.open(io.BytesIO(base64.b64decode(missed))).convert('RGB')
    scale = 150 / 72  # a margin of 16 pixels above and below
    x, y, w, h = MISSED
    shown = {
        name: image.getpixel((round((a - x + 16) * scale), round((b - y + 16) * scale)))
        for name, a, b in [
            ('left', x + 1, y + h / 2),
            ('right', x + w - 1, y + h / 2),
            ('inside', x + w / 4, y + h / 4),
        ]
    }
    assert {name for name, (r, g, b) in shown.items() if g - max(r, b) > 30} == {'left'}, shown


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda: Path('pictures/some/a b.png').unlink(), r'a b\.png.*image 1.*--images'),
        (lambda: Path('pictures/some/a b.png').write_text('no'), r'a b\.png: cannot read'),
    ],
)
def test_bad_images(main, files, change, message):
    pytest.importorskip('plotly')
    change()
    with pytest.raises(SystemExit, match=message):
        main(['gt.json', 'results.json', '--html', 'report.html', '--images', 'pictures'])
    assert not Path('report.html').exists()


def test_images_need_a_report(main, files, capsys):
    with pytest.raises(SystemExit):
        main(['gt.json', 'results.json', '--images', 'pictures'])
    assert '--html' in capsys.readouterr().err


def test_a_box_with_a_negative_width_is_drawn():
    image = pytest.importorskip('PIL.Image')
    from alrp.lrp.report.pictures import Shape, _crop

    object_, detection = Shape((10, 10, 20, 20)), Shape((30, 20, -12, -5))
    picture = _crop(image.new('RGB', (64, 48)), object_, detection)
    assert picture.startswith('data:image/jpeg')
