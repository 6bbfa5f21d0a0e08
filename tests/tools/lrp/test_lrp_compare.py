"""tools/analysis/lrp.py --compare: two sets of results."""

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest

from alrp.lrp import evaluate_lrp
from alrp.lrp.arguments import NUM_RESAMPLES
from alrp.lrp.bootstrap import compare

OTHER_COLUMNS = ['other_oLRP', 'difference']


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
    for files, number, message in (
        (compared[:2], '5', '--bootstrap needs --compare'),
        (compared, '-1', '--bootstrap must be at least 0, got -1'),
    ):
        with pytest.raises(SystemExit):
            main([*files, '--bootstrap', number])
        assert message in capsys.readouterr().err


def test_ties(main, files, capsys):
    pytest.importorskip('plotly')
    Path('same.json').write_text(json.dumps(files['results']))
    argv = ['gt.json', 'results.json', '--compare', 'same.json', '--bootstrap', '5']
    main([*argv, '--html', 'report.html'])
    printed = capsys.readouterr().out
    assert 'oLRP: same.json is better in 0.0%, equal in 100.0% of resamples\n' in printed
    assert '0.0 %, equal 100.0 %' in Path('report.html').read_text(encoding='utf-8')


def test_files_with_the_same_name_are_shown_with_their_folder(main, files, capsys):
    Path('a').mkdir()
    Path('a/results.json').write_text(json.dumps(files['other']))
    main(['gt.json', 'results.json', '--compare', 'a/results.json'])
    assert '| a/results.json |' in capsys.readouterr().out


def test_sorting_by_difference_needs_a_comparison(main, files, capsys):
    with pytest.raises(SystemExit):
        main(['gt.json', 'results.json', '--sort', 'difference'])
    assert 'needs --compare' in capsys.readouterr().err
