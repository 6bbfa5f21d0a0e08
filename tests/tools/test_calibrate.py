"""tools/analysis/calibrate.py: files, printed errors, and messages."""

import importlib.util
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from coco_helpers import make_data

from alrp.lrp.calibration import (
    calibration_errors,
    fit_calibration,
    match_scores,
    read_calibration,
)

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'calibrate.py'
VALIDATION = ['val_gt.json', 'val_results.json']
LRP = TOOL.with_name('lrp.py')
pytestmark = pytest.mark.filterwarnings('ignore:fewer than')


@pytest.fixture(scope='module')
def main():
    return runpy.run_path(str(TOOL))['main']


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Ground truth and results in the current folder, and the same of other images."""
    monkeypatch.chdir(tmp_path)
    contents = {}
    for prefix, seed in dict(val=0, test=1).items():
        truth, results = make_data(seed, 40, 200, grid=4, num_scores=10**6)
        contents |= {f'{prefix}_gt': truth, f'{prefix}_results': results}
    for name, content in contents.items():
        Path(f'{name}.json').write_text(json.dumps(content))
    return contents


def printed_rows(output: str) -> dict[str, list[str]]:
    lines = re.findall(r'^\| (.*) \|$', output, re.MULTILINE)
    rows = [[cell.strip() for cell in line.split(' | ')] for line in lines]
    assert ' '.join(rows[0]) == 'class objects detections LaECE_0 calibrated LaACE_0 calibrated'
    return {row[0]: row[1:] for row in rows[2:]}


def number(value: float) -> str:
    return f'{value:.3f}'


@pytest.mark.parametrize('method', ['isotonic', 'platt'])
def test_the_file_and_the_errors(main, files, capsys, method):
    options = '--method', method, '--min-detections', '3'
    main([*VALIDATION, '--out', 'new/c.json', *options])
    found = match_scores(files['val_gt'], files['val_results'])
    expected = fit_calibration(found, method, 3)
    written = read_calibration('new/c.json')
    assert list(written.curves) == [c['name'] for c in files['val_gt']['categories']]
    assert written.about['method'] == method and written.about['ann_file'] == 'val_gt.json'
    x = np.linspace(0, 1, 99)
    for name, curve in expected.curves.items():
        np.testing.assert_array_equal(written.curves[name](x), curve(x))
    printed = capsys.readouterr().out
    assert '--holdout' in printed and 'new/c.json' in printed
    rows = printed_rows(printed)
    before = calibration_errors(found)
    assert rows['mean'][2] == number(before.summary['LaECE_0'])
    assert rows['mean'][4] == number(before.summary['LaACE_0'])
    for k, name in enumerate(found.names):
        assert rows[name][2] == number(before.laece[k])
        assert rows[name][4] == number(before.laace[k])
    assert float(rows['mean'][3]) < float(rows['mean'][2])


def test_errors_on_other_images(main, files, capsys):
    options = '--test-gt', 'test_gt.json', '--test-results', 'test_results.json'
    main([*VALIDATION, '--out', 'c.json', *options])
    printed = capsys.readouterr()
    rows = printed_rows(printed.out)
    assert '--holdout' not in printed.out and '3 other images' in printed.out
    fit = match_scores(files['val_gt'], files['val_results'])
    test = match_scores(files['test_gt'], files['test_results'])
    thresholds = fit.optimal_thresholds()
    before = calibration_errors(test, thresholds).summary
    assert (rows['mean'][2], rows['mean'][4]) == tuple(map(number, before.values()))
    # Both classes have few detections.
    assert {'kind 2 (pooled)', 'kind 5 (pooled)'} == {*rows} - {'mean'}
    assert re.search(r'warning: fewer than 30 .*kind 2, kind 5', printed.err)


def test_half_of_the_images(main, files, capsys):
    main([*VALIDATION, '--out', 'c.json', '--holdout'])
    rows = printed_rows(capsys.readouterr().out)
    halves = []
    for ids in ((3, 12), (7,)):  # every second one, by id
        truth = dict(files['val_gt'], images=[dict(id=i) for i in ids])
        truth['annotations'] = [a for a in truth['annotations'] if a['image_id'] in ids]
        halves.append(
            match_scores(truth, [r for r in files['val_results'] if r['image_id'] in ids])
        )
    fit, test = halves
    expected = fit_calibration(fit)
    x = np.linspace(0, 1, 99)
    for name, curve in read_calibration('c.json').curves.items():
        np.testing.assert_array_equal(curve(x), expected.curves[name](x))
    before = calibration_errors(test, fit.optimal_thresholds()).summary
    assert (rows['mean'][2], rows['mean'][4]) == tuple(map(number, before.values()))
    assert rows['mean'][0] == str(test.num_objects.sum())


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['gone.json', 'val_results.json'], r'no such file: gone\.json'),
        ([*VALIDATION, '--holdout', '--test-gt', 'a'], None),
        ([*VALIDATION, '--test-gt', 'test_gt.json'], None),
        ([*VALIDATION, '--max-dets', '0'], None),
        (['val_gt.json', 'val_gt.json'], r'val_gt\.json: .*score'),
        (['val_gt.json', 'empty.json'], 'nothing to fit'),
        (['val_gt.json', 'high.json'], r'high\.json: .*results\[0\].* 7'),
        (
            [*VALIDATION, '--test-gt', 'other.json', '--test-results', 'empty.json'],
            r'other\.json has other classes than val_gt\.json',
        ),
        (['one.json', 'empty.json', '--holdout'], r'one\.json: --holdout .*two images'),
    ],
)
def test_wrong_use_writes_nothing(main, files, arguments, message):
    Path('empty.json').write_text('[]')
    Path('high.json').write_text(json.dumps([dict(files['val_results'][0], score=7)]))
    other = dict(files['val_gt'], annotations=[], categories=[dict(id=1, name='x')])
    Path('other.json').write_text(json.dumps(other))
    one = dict(files['val_gt'], annotations=[], images=files['val_gt']['images'][:1])
    Path('one.json').write_text(json.dumps(one))
    with pytest.raises(SystemExit, match=message) as error:
        main([*arguments, '--out', 'c.json'])
    assert error.value.code == 2 if message is None else str(error.value).startswith('error: ')
    assert not Path('c.json').exists()


def test_outputs_are_protected(main, files, monkeypatch):
    common = [*VALIDATION, '--out']
    with pytest.raises(SystemExit, match=r'val_gt\.json is an input'):
        main([*common, 'val_gt.json', '--force'])
    Path('c.json').touch()
    with pytest.raises(SystemExit, match=r'c\.json .*--force'):
        main([*common, 'c.json'])
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda x: None if x == 'sklearn' else find_spec(x)
    )
    with pytest.raises(SystemExit, match='pip install scikit-learn'):
        main([*common, 'c.json', '--force'])


def test_the_report_has_a_reliability_diagram(files, capsys):
    pytest.importorskip('plotly')
    lrp = runpy.run_path(str(LRP))['main']
    outputs = ['--html', 'r.html', '--json', 'n.json']
    lrp([*VALIDATION, '--calibration', *outputs])
    found = calibration_errors(match_scores(files['val_gt'], files['val_results']))
    summary = json.loads(Path('n.json').read_text())['summary']
    assert {key: summary[key] for key in found.summary} == found.summary
    page = Path('r.html').read_text(encoding='utf-8')
    assert 'id="reliability-chart"' in page and number(found.summary['LaECE_0']) in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    [shown] = json.loads(data[1])['reliability']
    assert shown['count'] == found.count.sum(axis=0).tolist()
    for key, values in dict(score=found.mean_score, iou=found.mean_iou).items():
        expected = np.nansum(values * found.count, axis=0)[found.count.sum(axis=0) > 0]
        means = np.array([x for x in shown[key] if x is not None])
        np.testing.assert_allclose(
            means * [n for n in shown['count'] if n], expected, rtol=1e-4, atol=1e-9
        )
    lrp([*VALIDATION, *outputs, '--force'])
    assert 'id="reliability-chart"' not in Path('r.html').read_text(encoding='utf-8')
    assert 'LaECE_0' not in capsys.readouterr().out.split('Wrote')[-3]
