"""tools/analysis/lrp.py: from files to numbers, tables, thresholds and the report."""

import csv
import dataclasses
import gzip
import json
import math
import re
import runpy
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from alrp.lrp import evaluate_lrp
from alrp.lrp.arguments import NUM_RESAMPLES
from alrp.lrp.bootstrap import compare
from alrp.lrp.class_table import class_table, thresholds_json
from alrp.lrp.report import make_report

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'lrp.py'
GOLDEN = Path(__file__).parents[1] / 'data' / 'lrp_val2014_100_bbox.json.gz'
NAMES = ['<b>"cat" & \'dog\'</b>', 'b</script><script>alert(1)</script>', 'zebra', 'no object']
OTHER_COLUMNS = ['other_oLRP', 'difference']


@pytest.fixture(scope='module')
def main():
    return runpy.run_path(str(TOOL))['main']


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Ground truth and two sets of results in the current folder, which is ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    annotations = [
        dict(id=i + 1, image_id=i % 4, category_id=i % 3 + 1, bbox=[20 * i, 5, 15, 15], area=225)
        for i in range(24)
    ]
    truth = dict(
        images=[dict(id=i) for i in range(4)],
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(NAMES)],
        annotations=annotations,
    )
    results = [
        dict(
            image_id=a['image_id'],
            category_id=a['category_id'],
            bbox=[a['bbox'][0] + shift, 5, 15, 15],
            score=float(rng.uniform()),
        )
        for a in annotations
        for shift in (1.5 * a['category_id'], 40)
    ]
    other = [dict(r, bbox=[r['bbox'][0] + r['category_id'] - 2, 5, 15, 15]) for r in results[4:]]
    contents = dict(gt=truth, results=results, other=other)
    for name, content in contents.items():
        Path(f'{name}.json').write_text(json.dumps(content))
    return contents


def table_of(output: str) -> list[list[str]]:
    """The last table printed, cell by cell."""
    head, rule, *rows = re.findall(r'(?:^\|.*\|$\n?)+', output, re.MULTILINE)[-1].splitlines()
    assert re.fullmatch(r'\| -+ \|( -+: \|)+', rule) and len(rule) == len(head)
    return [[cell.strip() for cell in row[1:-1].split(' | ')] for row in (head, *rows)]


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


def test_golden_numbers(main, tmp_path, capsys):
    content = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    paths = [tmp_path / name for name in ('gt.json', 'results.json', 'out.json')]
    for path, key in zip(paths, ('ground_truth', 'results')):
        path.write_text(json.dumps(content[key]))
    main([*map(str, paths[:2]), '--json', str(paths[2])])
    written, expected = json.loads(paths[2].read_text()), content['expected']
    assert list(written) == list(expected)
    for key in ('category_ids', 'areas'):
        assert written[key] == expected[key]
    assert list(written['summary'])[:19] == list(expected['summary'])
    of_published = {name: written['summary'][name] for name in expected['summary']}
    assert of_published == pytest.approx(expected['summary'], abs=1e-9, rel=0)
    assert list(written['per_category']) == list(expected['per_category'])
    for key, values in expected['per_category'].items():
        np.testing.assert_allclose(
            np.array(written['per_category'][key], float), np.array(values, float), atol=1e-9
        )
    printed = capsys.readouterr().out
    for name, value in expected['summary'].items():
        assert re.search(rf'^\| {name} +\| +{value:.3f} \|$', printed, re.MULTILINE), name


def test_table_of_classes_is_printed_and_written(main, files, capsys):
    main(['gt.json', 'results.json', '--csv', 'classes.csv'])
    printed = capsys.readouterr()
    head, *rows = table_of(printed.out)
    with open('classes.csv', newline='') as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == ['id', *head]
    assert printed.err == ''
    expected = {row['class']: row for row in class_table(evaluate_lrp('gt.json', 'results.json'))}
    assert [row[0] for row in rows] == [row['class'] for row in written]
    for cells, line in zip(rows, written):
        for name, cell in zip(head[2:], cells[2:]):
            value = expected[line['class']][name]
            assert cell == ('-' if math.isnan(value) else f'{value:.3f}')
            assert line[name] == ('' if math.isnan(value) else repr(value))
        assert cells[1] == line['objects'] == str(expected[line['class']]['objects'])


@pytest.mark.parametrize('num_images, warned', [(1, True), (2, False)])
def test_few_images_with_detections_are_warned_of(main, files, capsys, num_images, warned):
    results = json.loads(Path('results.json').read_text())
    Path('few.json').write_text(json.dumps([r for r in results if r['image_id'] < num_images]))
    main(['gt.json', 'few.json'])
    warning = capsys.readouterr().err
    assert ('few.json' in warning and '1 of the 4 images' in warning) == warned
    assert bool(warning) == warned


@pytest.mark.parametrize(
    'column, descending',
    [('oLRP', True), ('AP', False), ('threshold', True), ('oLRP_loc', True), ('difference', True)],
)
def test_classes_are_sorted_the_worst_first(main, files, capsys, column, descending):
    compare = ['--compare', 'other.json'] if column == 'difference' else []
    main(['gt.json', 'results.json', '--sort', column, *compare])
    head, *rows = table_of(capsys.readouterr().out)
    cells = [row[head.index(column)] for row in rows]
    assert cells[-1] == '-' and rows[-1][0] == 'no object'
    values = [float(cell) for cell in cells[:-1]]
    assert len(set(values)) == 3
    assert values == sorted(values, reverse=descending)


def test_without_a_column_oLRP_sorts_and_names_sort_upwards(main, files, capsys):  # noqa: N802
    orders = []
    for options in ([], ['--sort', 'oLRP'], ['--sort', 'class']):
        main(['gt.json', 'results.json', *options])
        orders.append([row[0] for row in table_of(capsys.readouterr().out)[1:]])
    assert orders[0] == orders[1] != orders[2] == sorted(NAMES)


def test_two_results_are_compared(main, files, capsys):
    main(['gt.json', 'results.json', '--compare', 'other.json', '--csv', 'classes.csv'])
    printed = capsys.readouterr().out
    a, b = (evaluate_lrp('gt.json', f'{name}.json') for name in ('results', 'other'))
    x, y = a.summary['oLRP'], b.summary['oLRP']
    d = compare(a, b, NUM_RESAMPLES)['oLRP']
    interval = rf'\{d.low:+.3f} to \{d.high:+.3f}'
    line = rf'\| oLRP +\| +{x:.3f} \| +{y:.3f} \| +\{y - x:+.3f} \| +{interval} \|'
    assert re.search(line, printed)
    assert f'oLRP: other.json is better in {d.better:.1%}' in printed
    with open('classes.csv', newline='') as file:
        rows = {row['class']: row for row in csv.DictReader(file)}
    assert list(rows['zebra'])[-2:] == OTHER_COLUMNS
    assert float(rows['zebra']['other_oLRP']) == b.olrp[2, 0]
    assert float(rows['zebra']['difference']) == b.olrp[2, 0] - a.olrp[2, 0] != 0
    assert rows['no object']['difference'] == ''


def test_bootstrap(main, files, capsys):
    compared = ['gt.json', 'results.json', '--compare', 'other.json']
    main([*compared, '--bootstrap', '30', '--json', 'numbers.json'])
    assert '95% interval' in capsys.readouterr().out
    found = json.loads(Path('numbers.json').read_text())['comparison']
    assert (found['num_resamples'], found['other']) == (30, 'other.json')
    a, b = (evaluate_lrp('gt.json', f'{name}.json') for name in ('results', 'other'))
    expected = compare(a, b, 30)
    assert found['differences']['AP'] == dataclasses.asdict(expected['AP'])
    main([*compared, '--bootstrap', '0'])
    assert 'interval' not in capsys.readouterr().out
    for wrong in (compared[:2], [*compared, '--bootstrap', '-1']):
        with pytest.raises(SystemExit):
            main([*wrong, '--bootstrap', '-1'])
        assert '--bootstrap -1' in capsys.readouterr().err


def test_precision_recall_and_f1_at_the_thresholds(main, files):
    main(['gt.json', 'results.json', '--csv', 'classes.csv', '--sort', 'F1'])
    with open('classes.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    matches = evaluate_lrp('gt.json', 'results.json').matches
    assert rows[-1]['F1'] == rows[-1]['precision'] == ''  # without objects, last
    f1 = [float(row['F1']) for row in rows[:-1]]
    assert f1 == sorted(f1)
    for row in rows[:-1]:
        k = int(row['id']) - 1
        kept = (matches.category == k) & (matches.score >= float(row['threshold']))
        hit = np.isin(np.flatnonzero(kept), matches.rows[matches.true_positive[0, 0]])
        tp, num_objects = int(hit.sum()), 8
        assert float(row['precision']) == pytest.approx(tp / len(hit), abs=1e-12)
        assert float(row['recall']) == pytest.approx(tp / num_objects, abs=1e-12)
        assert float(row['F1']) == pytest.approx(2 * tp / (len(hit) + num_objects), abs=1e-12)


def test_thresholds_are_the_file_of_the_metric(main, files):
    main(['gt.json', 'results.json', '--thresholds', 'new/folder/t.json', '--max-dets', '1', '2'])
    evaluation = evaluate_lrp('gt.json', 'results.json', max_dets=(1, 2))
    text = Path('new/folder/t.json').read_text(encoding='utf-8')
    assert text == thresholds_json(evaluation, 'gt.json')
    assert list(json.loads(text)['thresholds']) == NAMES
    assert [path.name for path in Path('new/folder').iterdir()] == ['t.json']


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


def test_files_with_the_same_name_are_shown_with_their_folder(main, files, capsys):
    Path('a').mkdir()
    Path('a/results.json').write_text(json.dumps(files['other']))
    main(['gt.json', 'results.json', '--compare', 'a/results.json'])
    assert '| a/results.json |' in capsys.readouterr().out


def test_only_force_overwrites(main, files):
    out = Path('out.json')
    out.write_text('mine')
    arguments = ['gt.json', 'results.json', '--json', 'out.json']
    with pytest.raises(SystemExit, match=r'error: out\.json exists.*--force'):
        main(arguments)
    assert out.read_text() == 'mine'
    main([*arguments, '--force'])
    assert json.loads(out.read_text())['areas'] == ['all', 'small', 'medium', 'large']


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere.json', 'results.json'], r'no such file: nowhere\.json'),
        (['gt.json', 'nowhere.json'], r'no such file: nowhere\.json'),
        (['gt.json', 'results.json', '--compare', 'no.json'], r'no such file: no\.json'),
        (
            ['gt.json', 'results.json', '--compare', './results.json'],
            r'same file: \./results\.json',
        ),
        (['gt.json', 'results.json', '--json', './gt.json', '--force'], 'is an input'),
        (['gt.json', 'results.json', '--csv', 'link.json', '--force'], 'is an input'),
        (['gt.json', 'results.json', '--json', 'a', '--csv', './a'], r'same file: a \./a'),
        (['gt.json', 'results.json', '--json', '.', '--force'], r'\. is not a file'),
        (['gt.json', 'results.json', '--json', 'gt.json/x/y'], 'write gt.json/x/y: Not a dir'),
        (['gt.json', 'results.json', '--html', 'r.html'], 'pip install plotly'),
        (
            ['gt.json', 'results.json', '--html', 'r.html', '--images', 'none'],
            'no such folder: none',
        ),
        (['gt.json', 'results.json', '--iou-type', 'segm'], 'pip install pycocotools'),
    ],
)
def test_refused_before_anything_is_read(main, files, monkeypatch, arguments, message):
    Path('gt.json').write_text('not JSON, which would be an error if it were read')
    Path('link.json').symlink_to('results.json')
    for package in ('plotly', 'pycocotools'):
        monkeypatch.setitem(sys.modules, package, None)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    with pytest.raises(SystemExit, match=f'^error: .*{message}'):
        main(arguments)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_folder_that_cannot_be_written_to(main, files, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('tempfile.TemporaryFile', refuse)
    Path('gt.json').write_text('not JSON')
    with pytest.raises(SystemExit, match=r'error: .*out\.json: Permission denied'):
        main(['gt.json', 'results.json', '--json', 'out.json'])


@pytest.mark.parametrize(
    'changed, content, arguments, message',
    [
        ('gt', '{"images": [', [], r'gt\.json: not JSON'),
        ('results', '[{]', [], r'results\.json: not JSON'),
        (
            'results',
            [dict(image_id=77, category_id=1, bbox=[1, 1, 2, 2], score=1)],
            [],
            r'image_id.*77 \(entry 0',
        ),
        ('other', [{'image_id': 1}], ['--compare', 'other.json'], r'other\.json: 1 of 1 results'),
        ('gt', [], [], r'gt\.json.*a list.*results.*ground truth first'),
        ('results', {}, [], r'results\.json.*ground truth.*first'),
        ('results', [], ['--max-dets', '0'], 'max_dets'),
    ],
)
def test_input_that_is_wrong(main, files, changed, content, arguments, message):
    text = content if isinstance(content, str) else json.dumps(content)
    Path(f'{changed}.json').write_text(text)
    with pytest.raises(SystemExit) as error:
        main(['gt.json', 'results.json', *arguments, '--json', 'out.json'])
    assert re.fullmatch(rf'error: .*{message}.*', error.value.code)
    assert '\n' not in error.value.code and not Path('out.json').exists()


def test_two_classes_of_one_name_have_no_file_of_thresholds(main, files):
    files['gt']['categories'][0]['name'] = 'zebra'
    Path('gt.json').write_text(json.dumps(files['gt']))
    Path('results.json').write_text('not JSON, which would be an error if it were read')
    with pytest.raises(SystemExit, match=r"error: .*2 classes.*'zebra'"):
        main(['gt.json', 'results.json', '--iou-type', 'bbox', '--thresholds', 't.json'])
    assert not Path('t.json').exists()


def test_no_detections_give_a_warning(main, files, capsys):
    Path('results.json').write_text('[]')
    main(['gt.json', 'results.json'])
    printed = capsys.readouterr()
    [line] = printed.err.splitlines()
    assert line.startswith('warning: results.json') and 'no detections' in line
    assert re.search(r'^\| oLRP +\| +1\.000 \|$', printed.out, re.MULTILINE)


def test_warnings_are_one_line(main, files, capsys):
    files['gt']['annotations'][0]['id'] = 0
    Path('gt.json').write_text(json.dumps(files['gt']))
    main(['gt.json', 'results.json', '--compare', 'other.json'])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('warning: gt.json') and 'id 0' in line


def test_sorting_by_difference_needs_a_comparison(main, files, capsys):
    with pytest.raises(SystemExit):
        main(['gt.json', 'results.json', '--sort', 'difference'])
    assert 'needs --compare' in capsys.readouterr().err


def test_it_needs_numpy_only(command, files):
    """Importing MMDetection takes longer than most evaluations. An error is exit code 1."""
    code = (
        'import runpy, sys; sys.argv = sys.argv[1:]\n'
        'blocked = "mmdet", "mmengine", "mmcv", "torch", "rich", "terminaltables", "pycocotools"\n'
        'sys.modules.update(dict.fromkeys(blocked))\n'
        'try: runpy.run_path(sys.argv[0], run_name="__main__")\n'
        'finally: assert "alrp_mmdet" not in sys.modules'
    )
    run = [sys.executable, '-c', code, TOOL, 'gt.json']
    result = command(*run, 'results.json')
    assert result.returncode == 0, result.stderr
    assert 'oLRP' in result.stdout
    result = command(*run, 'nowhere.json')
    assert (result.returncode, result.stderr) == (1, 'error: no such file: nowhere.json\n')


def test_progress_is_shown_on_a_terminal(main, files, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    monkeypatch.setenv('TERM', 'xterm')
    main(['gt.json', 'results.json'])
    printed = capsys.readouterr()
    assert '[4/4] counting' in printed.err and 'counting' not in printed.out
