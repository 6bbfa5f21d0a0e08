"""tools/analysis/lrp.py: from files to numbers, tables and thresholds."""

import csv
import gzip
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from lrp_helpers import NAMES, TOOL, table_of

from alrp.lrp import evaluate_lrp
from alrp.lrp.class_table import class_table, thresholds_json

GOLDEN = Path(__file__).parents[2] / 'data' / 'lrp_val2014_100_bbox.json.gz'


def test_golden_numbers(main, tmp_path, capsys):
    content = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    paths = [tmp_path / name for name in ('gt.json', 'results.json', 'out.json')]
    for path, key in zip(paths, ('ground_truth', 'results')):
        path.write_text(json.dumps(content[key]))
    main([*map(str, paths[:2]), '--json', str(paths[2])])
    written, expected = json.loads(paths[2].read_text()), content['expected']
    assert list(written) == [*expected, 'ground_truth', 'results', 'classes']
    assert [written[key] for key in ('ground_truth', 'results')] == [*map(str, paths[:2])]
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


def test_detections_within_the_limit_are_counted(main, files, capsys):
    """Each of the four images has six objects of three classes, and two detections of each."""
    main(['gt.json', 'results.json'])
    assert '48 detections, at most 100 per image and class' in capsys.readouterr().out
    main(['gt.json', 'results.json', '--max-dets', '1', '2', '3'])
    assert '48 detections (36 within the limit), at most 3 per' in capsys.readouterr().out
