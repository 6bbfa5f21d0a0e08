"""tools/analysis/lrp.py with panoptic files: numbers, tables, the report, and refused options."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from alrp.lrp import evaluate_panoptic_lrp
from alrp.lrp.panoptic.table import class_rows
from alrp.lrp.report import make_panoptic_report

pytest.importorskip('cv2')
pytestmark = pytest.mark.filterwarnings('ignore:.*8190117')
SMALL = Path(__file__).parents[2] / 'data' / 'panoptic'
NAME = '<b>"road" & \'lane\'</b>'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The small set, and results ``other.json`` without the car that matches, as current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SMALL, tmp_path, dirs_exist_ok=True)
    results = json.loads(Path('dt.json').read_text())
    segments = results['annotations'][1]['segments_info']
    segments[-1]['category_id'] = 1
    Path('other.json').write_text(json.dumps(results))
    truth = json.loads(Path('gt.json').read_text())
    truth['categories'][-1]['name'] = NAME
    Path('gt.json').write_text(json.dumps(truth))
    return tmp_path


def refused(main, *argv):
    with pytest.raises(SystemExit) as error:
        main([*argv])
    return str(error.value)


def tables_of(output):
    blocks = re.findall(r'(?:^\|.*\|$\n?)+', output, re.MULTILINE)
    return [
        [[c.strip() for c in line[1:-1].split(' | ')] for line in b.splitlines()] for b in blocks
    ]


def test_tables_and_files(main, folder, capsys):
    main(['gt.json', 'dt.json', '--json', 'out.json', '--csv', 'out.csv', '--jobs', '1'])
    output = capsys.readouterr()
    assert 'Panoptic' in output.out and '2 images' in output.out and '5 objects' in output.out
    assert 'warning' in output.err and '8190117 (0.png, image 10)' in output.err
    evaluation = evaluate_panoptic_lrp('gt.json', 'dt.json', num_workers=1)
    content = json.loads(Path('out.json').read_text())
    expected = json.loads(json.dumps(evaluation.to_dict()))
    assert {key: content[key] for key in expected} == expected
    of_evaluation = ['summary', 'category_ids', 'isthing', 'tau', 'per_category']
    assert [*content] == [*of_evaluation, 'ground_truth', 'results', 'classes']

    summary, classes = tables_of(output.out)
    assert summary[0] == ['', 'All', 'Things', 'Stuff']
    assert ['PQ', '0.522', '0.333', '0.900'] in summary and ['n', '3', '2', '1'] in summary
    assert [row[0] for row in classes[2:]] == ['car', 'person', 'sky', NAME]  # worst first
    assert classes[3][:4] == ['person', 'thing', '1', '3'] and classes[5][3:] == ['0'] + 7 * ['-']
    rows = [*csv.DictReader(Path('out.csv').read_text(encoding='utf-8').splitlines())]
    assert [row['class'] for row in content['classes']] == [row['class'] for row in rows]
    assert content['classes'][-1]['LRP'] is None
    assert rows[0]['id'] == '2' and float(rows[0]['LRP']) == pytest.approx(8 / 9)
    assert rows[-1]['class'] == NAME and rows[-1]['LRP'] == ''


def test_compare(main, folder, capsys):
    argv = ['gt.json', 'dt.json', '--compare', 'other.json', '--compare-masks', 'dt']
    main([*argv, '--html', 'out.html', '--sort', 'difference', '--csv', 'out.csv'])
    output = capsys.readouterr().out
    summary, classes = tables_of(output)
    assert summary[0] == ['', 'dt.json', 'other.json', 'difference', '95% interval']
    rows = {row[0]: row[1:] for row in summary}
    assert rows['PQ'][:3] == ['0.522', '0.389', '-0.133']
    low, high = map(float, rows['PQ'][3].split(' to '))
    assert low <= -0.133 <= high <= 0
    assert rows['LRP_st'] == ['0.200', '0.200', '+0.000', '+0.000 to +0.000']
    assert re.search(
        r'^LRP: other\.json is better in 0\.0%, equal in [\d.]+% of res', output, re.MULTILINE
    )
    assert classes[2][0] == 'car' and classes[2][-2:] == ['1.000', '+0.111']
    assert 'other.json' in Path('out.html').read_text(encoding='utf-8')
    assert 'other_LRP' in Path('out.csv').read_text()


def test_comparison_without_and_with_intervals(main, folder, capsys):
    pytest.importorskip('jinja2')
    argv = ['gt.json', 'dt.json', '--compare', 'other.json', '--compare-masks', 'dt', '--force']
    main([*argv, '--bootstrap', '0', '--html', 'out.html', '--json', 'out.json'])
    assert 'interval' not in capsys.readouterr().out
    assert 'interval' not in Path('out.html').read_text(encoding='utf-8')
    found = json.loads(Path('out.json').read_text())['comparison']
    assert found['differences'] == {} and found['summary']['LRP'] > 0

    main([*argv, '--bootstrap', '30', '--html', 'out.html', '--json', 'out.json'])
    found = json.loads(Path('out.json').read_text())['comparison']
    assert found['num_resamples'] == 30 and found['other'] == 'other.json'
    difference = found['differences']['PQ_th']
    assert difference['value'] == pytest.approx(-0.2, abs=1e-3)
    rows = {row[0]: row[1:] for row in Page(Path('out.html').read_text(encoding='utf-8')).rows}
    assert rows['PQ_th'][0] == f'{difference["value"]:+.3f}'.replace('-', '\N{MINUS SIGN}')
    assert rows['PQ_th'][2] == f'{100 * difference["better"]:.1f} %'


@pytest.mark.parametrize(
    'argv, named',
    [
        (['--iou-type', 'bbox'], ['--iou-type', 'panoptic', 'gt.json']),
        (['--max-dets', '100'], ['--max-dets', 'panoptic', 'gt.json']),
        (['--thresholds', 'out.json'], ['--thresholds', 'panoptic', 'gt.json']),
        (['--sort', 'oLRP'], ['--sort oLRP', 'LRP_loc']),
        (['--masks', 'nowhere'], ['nowhere', 'dt.json']),
        (['--gt-masks', 'nowhere'], ['nowhere', 'gt.json']),
        (['--json', 'gt.json', '--force'], ['gt.json', 'input']),
    ],
)
def test_refused(main, folder, argv, named):
    before = sorted(folder.rglob('*'))
    message = refused(main, 'gt.json', 'dt.json', *argv)
    assert all(part in message for part in named), message
    assert sorted(folder.rglob('*')) == before


def test_options_of_panoptic_need_panoptic_files(main, folder):
    Path('boxes.json').write_text(json.dumps(dict(images=[], categories=[], annotations=[])))
    Path('results.json').write_text('[]')
    for argv in (['--gt-masks', 'gt'], ['--masks', 'dt'], ['--jobs', '2'], ['--sort', 'PQ']):
        message = refused(main, 'boxes.json', 'results.json', *argv)
        assert argv[0] in message, message


def test_bad_input_writes_nothing(main, folder, capsys):
    (folder / 'dt' / '1.png').unlink()
    message = refused(main, 'gt.json', 'dt.json', '--json', 'out.json', '--html', 'out.html')
    assert '1.png' in message and not Path('out.json').exists() and not Path('out.html').exists()


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == 'tr':
            self.rows.append([])
        if tag in ('td', 'th') and self.rows:
            self.rows[-1].append('')

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_report(folder):
    pytest.importorskip('jinja2')
    evaluation = evaluate_panoptic_lrp('gt.json', 'dt.json', num_workers=1)
    page = Page(make_panoptic_report({'dt.json': evaluation}, 'gt.json'))
    rows = {row[0]: row[1:] for row in page.rows if row}
    assert rows['Panoptic quality'] == ['0.522', '0.333', '0.900']
    assert rows['LRP error'][0] == '0.659'
    assert rows[NAME][:3] == ['stuff', '0', '0']  # with its tags, escaped
    assert rows['car'][:3] == ['thing', '2', '2']
    assert rows['car'][3:10] == ['0.333', '0.667', '0.500', '0.889', '0.333', '0.500', '0.500']
    with pytest.raises(ValueError, match='two'):
        make_panoptic_report(dict(a=evaluation, b=evaluation, c=evaluation))


def test_rows_are_sorted_by_any_column():
    evaluation = evaluate_panoptic_lrp(SMALL / 'gt.json', SMALL / 'dt.json', num_workers=1)
    assert [row['class'] for row in class_rows([evaluation], 'PQ')][-2:] == ['sky', 'road']
    assert [row['class'] for row in class_rows([evaluation], 'objects')] == [
        'car',
        'sky',
        'person',
        'road',
    ]
