"""benchmarks/accuracy report: correct numbers, and a check that notices stale ones."""

import math
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accuracy_helpers import curve_of, random_ap, row_of, tuned_runs
from scipy import stats

from benchmarks.accuracy import report
from benchmarks.accuracy.__main__ import parse_args
from benchmarks.accuracy.comparison import (
    confidence_interval,
    describe_differences,
    differences,
    group,
    mean_and_deviation,
    mean_differences,
)
from benchmarks.accuracy.matrix import DATASETS, LOSSES, first_run, matrix
from benchmarks.accuracy.rows import add_run, curves_of, read_rows
from benchmarks.accuracy.tables import (
    differences_table,
    overview_table,
    results_table,
    tuning_table,
    variants_table,
)
from benchmarks.accuracy.tuning import learning_rates, runs_of, settings
from benchmarks.accuracy.variants import with_unchanged


@pytest.fixture
def results(tmp_path):
    """A folder with the runs of two datasets, three losses and two seeds."""
    rng = np.random.default_rng(0)
    runs = matrix(
        tuned_runs(['focal_giou', 'alrp', 'rs']), ['chess', 'bccd'], ['retinanet'], [0, 1]
    )
    for run in runs:
        ap = random_ap(rng)
        add_run(tmp_path / 'results' / 'runs.csv', row_of(run, ap), curve_of(run, [ap / 2, ap]))
    (tmp_path / 'docs').mkdir()
    return tmp_path / 'results'


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, without the header."""
    return [line[2:-2].split(' | ') for line in table.splitlines()[2:]]


def described(*numbers: float) -> str:
    return describe_differences(dict(enumerate(numbers)))


def test_interval_matches_a_paired_t_test():
    rng = np.random.default_rng(1)
    for n in (2, 3, 5, 12):
        a, b = rng.normal(size=n), rng.normal(size=n)
        expected = stats.ttest_rel(a, b).confidence_interval(0.95)
        assert confidence_interval(list(a - b)) == pytest.approx(tuple(expected))
    # t of 0.975 with four degrees of freedom: 2.776; standard error: sqrt(2.5 / 5)
    assert described(1, 2, 3, 4, 5) == '+3.0 (+1.0 to +5.0), 5/5'
    assert described(-1.0) == '-1.0, 0/1'
    assert described() == ''
    assert mean_and_deviation([1, 3]) == '2.0 ± 1.4'
    assert mean_and_deviation([2.5]) == '2.5' and mean_and_deviation([math.nan]) == ''


def test_differences_are_paired_by_seed():
    focal, rs = first_run('focal_giou'), first_run('rs')
    rows = [row_of(replace(focal, seed=s), ap) for s, ap in ((2, 0.3), (0, 0.1), (1, 0.2))]
    rows += [row_of(replace(rs, seed=s), ap) for s, ap in ((0, 0.15), (2, 0.31), (7, 0.9))]
    groups = group(rows)
    assert differences(groups, 'retinanet', 'aquarium', 'rs') == pytest.approx({0: 5, 2: 1})
    assert cells(differences_table(groups, 'retinanet')) == [['Aquarium', described(5.0, 1.0)]]
    assert cells(overview_table(groups, 'retinanet')) == [
        ['Aquarium', '3', '20.0 ± 10.0', '45.3 ± 39.5']
    ]
    with pytest.raises(ValueError, match=r'aquarium.* rs .*seed 7'):
        group([*rows, row_of(replace(rs, seed=7, lr=0.5), 0.1)])


def test_tables(results):
    groups = group(read_rows(results / 'runs.csv'))
    table = cells(results_table(groups, 'retinanet'))
    assert [row[:3] for row in table] == [
        [DATASETS[dataset].title, LOSSES[loss].title, '2']
        for dataset in ('chess', 'bccd')
        for loss in ('focal_giou', 'alrp', 'rs')
    ]
    aps = [100 * groups['retinanet', 'bccd', 'rs'][seed]['AP'] for seed in (0, 1)]
    assert table[-1][3] == f'{np.mean(aps):.1f} ± {np.std(aps, ddof=1):.1f}'
    chess, bccd = (differences(groups, 'retinanet', name, 'rs') for name in ('chess', 'bccd'))
    expected = described(*((chess[seed] + bccd[seed]) / 2 for seed in (0, 1)))
    assert cells(differences_table(groups, 'retinanet'))[-1] == [
        'mean of the 2',
        describe_differences(mean_differences(groups, 'retinanet', 'alrp')),
        expected,
    ]
    assert results_table(groups, 'atss') == differences_table(groups, 'atss') == ''


def test_tuning_table_marks_the_chosen_run():
    *others, best = learning_rates('rs')
    _, other, chosen = settings(best)
    rows = [row_of(run, 0.4) for x in others for run in runs_of(x)]
    rows += [row_of(run, 0.5) for run in runs_of(best)]
    aquarium, chess = runs_of(chosen)
    rows += [row_of(run, 0.1) for run in runs_of(other)] + [row_of(aquarium, 0.5)]
    [unfinished] = [row for row in cells(tuning_table(rows)) if chosen.setting in row[2]]
    assert unfinished[3:] == ['1', '50.0', '', '', '']
    assert '**' not in tuning_table(rows)
    rows.append(row_of(chess, 0.75))
    rows += [row_of(replace(run, clip_norm=10.0), 0.3) for run in (aquarium, chess)]
    [found] = [row for row in cells(tuning_table(rows)) if '**' in row[0]]
    expected = ['RS', f'{best.lr:g}', f'`{chosen.setting}`', '1', '50.0', '75.0', '62.50', '37.50']
    assert found == [f'**{x}**' for x in expected]


def test_variants_table_gives_the_gain():
    run = first_run('rs')
    changed = [replace(run, variant=name, overrides=f'x={name}') for name in ('a', 'b')]
    rows = [row_of(run, 0.3), row_of(changed[0], 0.32), row_of(changed[1], 0.29)]
    found = cells(variants_table(rows))
    assert [row[2] for row in found] == ['none', 'a', 'b']
    assert [row[-1] for row in found] == ['', '+2.0, 1/1', '-1.0, 0/1']
    for again in (run, changed[1]):  # after another tuning
        with pytest.raises(ValueError, match=rf'aquarium, rs, {again.variant or "no"}.*100'):
            variants_table([*rows, row_of(replace(again, lr=0.5), 0.4)])


def test_variants_are_compared_with_runs_in_other_files():
    tuned, other = first_run('rs'), replace(first_run('rs'), seed=3)
    changed = [row_of(replace(tuned, variant='a', overrides='x=1'), 0.32)]
    others = [row_of(tuned, 0.3), row_of(other, 0.5)]
    rows = with_unchanged(changed, others)
    assert rows == [*changed, others[0]]
    assert [row[-1] for row in cells(variants_table(rows))] == ['+2.0, 1/1', '']
    focal = [row_of(first_run('focal_giou'), 0.25)]
    found = cells(variants_table([*rows, row_of(other, 0.5)], focal))
    assert [row[-1] for row in found] == ['+7.0, 1/1', '+5.0, 1/1']  # not of the other seed
    found = cells(variants_table(focal, focal))
    assert found[0][-1] == ''  # the baseline itself
    assert with_unchanged(rows, [row_of(tuned, 0.9)]) == rows
    assert with_unchanged([], others) == []


def test_variants_are_compared_with_the_tuned_baseline():
    tuned = tuned_runs(['focal_giou', 'rs'])
    rate = replace(tuned['focal_giou'], lr=tuned['focal_giou'].lr / 2)
    tuning = [row_of(tuned['focal_giou'], 0.3), row_of(rate, 0.2), row_of(tuned['rs'], 0.4)]
    rows = [row_of(replace(run, seed=1), 0.5) for run in tuned.values()]
    rows.append(row_of(replace(tuned['focal_giou'], seed=1, detector='atss'), 0.6))
    assert report.baseline_rows(rows, tuning, tuned) == [tuning[0], rows[0]]
    assert report.baseline_rows(rows, tuning, {}) == [rows[0]]


def test_report_is_checked(results, tmp_path, capsys):
    readme, page = tmp_path / 'README.md', tmp_path / 'docs' / 'results.md'
    readme.write_text('Before\n<!-- accuracy -->\nold\n<!-- end of accuracy -->\nAfter\n')
    with pytest.raises(SystemExit) as error:
        report.main(results, True, tmp_path)
    assert all(
        x in str(error.value) for x in ('README.md', 'docs/results.md', 'accuracy_retinanet')
    )
    report.main(results, False, tmp_path)
    report.main(results, True, tmp_path)  # passes
    groups = group(read_rows(results / 'runs.csv'))
    for text in (results_table(groups, 'retinanet'), differences_table(groups, 'retinanet')):
        assert text in page.read_text()
    assert overview_table(groups, 'retinanet') in readme.read_text()
    assert readme.read_text().startswith('Before\n') and readme.read_text().endswith('After\n')

    figures = sorted((tmp_path / 'docs' / 'figures').glob('*.svg'))
    assert [x.stem for x in figures] == ['accuracy_retinanet', 'learning_curves_retinanet']
    before = {x: x.read_bytes() for x in figures}
    report.main(results, False, tmp_path)
    assert before == {x: x.read_bytes() for x in figures}  # the same from the same numbers

    for path in (page, readme, *figures):  # each is checked
        good = path.read_text()
        path.write_text(re.sub(r'data \w{16}|focal \+ GIoU', 'other', good))
        with pytest.raises(SystemExit, match=path.name):
            report.main(results, True, tmp_path)
        path.write_text(good)
    rows = read_rows(results / 'runs.csv')
    changed = matrix(tuned_runs(['rs']), ['chess'], ['retinanet'], [1])[0]
    add_run(results / 'runs.csv', row_of(changed, 0.9), curve_of(changed, [0.5, 0.9]))
    assert len(read_rows(results / 'runs.csv')) == len(rows)
    with pytest.raises(SystemExit) as error:
        report.main(results, True, tmp_path)
    assert all(x.name in str(error.value) for x in (page, readme, *figures))


def test_nothing_is_published_without_runs(tmp_path):
    (tmp_path / 'docs').mkdir()
    for check in (False, True):
        report.main(tmp_path / 'results', check, tmp_path)
    assert list(tmp_path.rglob('*.*')) == []
    (tmp_path / 'docs' / 'results.md').touch()
    with pytest.raises(SystemExit, match=r'docs/results\.md'):
        report.main(tmp_path / 'results', True, tmp_path)


def test_page_leaves_out_what_was_not_run(results, tmp_path, monkeypatch):
    (tmp_path / 'docs' / 'figures').mkdir()
    for name in ('draw_dots', 'draw_curves'):  # they take seconds
        monkeypatch.setattr(report.figures, name, lambda numbers, detector, path: path.touch())
    report.main(results, False, tmp_path)
    page = (tmp_path / 'docs' / 'results.md').read_text()
    assert '## RetinaNet\n' in page and '## Learning curves\n' in page
    assert not re.search('^## (ATSS|Tuning|Changes to a loss)$', page, re.MULTILINE)
    assert '{{' not in page and '\n\n\n' not in page
    run = replace(first_run('rs'), detector='atss', seed=0)
    add_run(results / 'runs.csv', row_of(run, 0.3), curve_of(run, [0.3]))
    add_run(results / 'tuning.csv', row_of(first_run('rs'), 0.3), [])
    report.main(results, False, tmp_path)
    page = (tmp_path / 'docs' / 'results.md').read_text()
    assert '## ATSS\n' in page and '## Tuning\n' in page
    for image in re.findall(r'\]\((figures/.*?)\)', page):
        assert (tmp_path / 'docs' / image).is_file()


def test_first_runs_and_tuning_make_a_page(results, tmp_path):
    results.rename(results.with_name('first'))
    results.mkdir()
    results.with_name('first').rename(results / report.FIRST_RUNS)
    add_run(results / 'tuning.csv', row_of(first_run('rs'), 0.3), [])
    report.main(results, False, tmp_path)
    page = (tmp_path / 'docs' / 'results.md').read_text()
    titles = re.findall('^## (.*)$', page, re.MULTILINE)
    assert 'First runs' in titles and 'Tuning' in titles and 'RetinaNet' not in titles
    assert '0 of 148' in page and '| Chess pieces |' in page and '{{' not in page
    assert not list(tmp_path.rglob('*.svg'))


def test_commands_of_the_page_are_accepted():
    [code] = re.findall('```bash\n(.*?)```', report.TEMPLATE.read_text(), re.DOTALL)
    commands = [shlex.split(line) for line in code.splitlines()]
    for python, folder, *args in commands:
        assert (python, folder) == ('python', 'benchmarks/accuracy')
        parse_args(args)
    assert [command[2] for command in commands] == ['tune', 'run', 'run', 'variants', 'report']


def test_committed_results_are_up_to_date():
    report.main(report.ROOT / 'benchmarks' / 'accuracy' / 'results', True)


def test_curves_have_a_point_per_evaluation(results):
    from benchmarks.accuracy.figures import curves

    groups, points = (read_rows(x(results / 'runs.csv')) for x in (Path, curves_of))
    groups = group(groups)
    shown = curves(groups, points, 'retinanet')
    rows = groups['retinanet', 'chess', 'rs'].values()
    (_, half), (step, ap) = shown['chess']['rs']
    assert step == 200 and ap == pytest.approx(100 * np.mean([row['AP'] for row in rows]))
    assert half == pytest.approx(ap / 2)
    points = [x for x in points if (x['seed'], x['step']) != (1, 200)]
    with pytest.raises(ValueError, match=r'chess, focal_giou, seed 1'):  # lost in a merge
        curves(groups, points, 'retinanet')
    for group_runs in groups.values():
        group_runs[1]['train_loss'] = math.nan  # diverged after the first evaluation
    (_, before), (_, after) = curves(groups, points, 'retinanet')['chess']['rs']
    assert before == half
    assert after == pytest.approx(100 * groups['retinanet', 'chess', 'rs'][0]['AP'] / 2)


def test_curves_without_a_run_are_not_drawn(results, tmp_path):
    """Its row was deleted to repeat the run."""
    path = results / 'runs.csv'
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(''.join(line for line in lines if ',rs,1,' not in line))
    rows = read_rows(path)
    assert len(lines) - 1 - len(rows) == 2
    numbers = report.contents(results, tmp_path)[1]
    _, shown, _ = numbers[tmp_path / 'docs' / 'figures' / 'learning_curves_retinanet.svg']
    last = [row['AP'] for row in rows if (row['dataset'], row['loss']) == ('bccd', 'rs')]
    assert shown['bccd']['rs'][-1] == [200, pytest.approx(100 * last[0])]


def test_contradictions_stop_the_report(results, tmp_path):
    readme = tmp_path / 'README.md'
    readme.write_text('Before\n<!-- accuracy -->\nold\n')
    for check in (False, True):
        with pytest.raises(SystemExit, match=r'README\.md.*end of accuracy'):
            report.main(results, check, tmp_path)
    assert readme.read_text() == 'Before\n<!-- accuracy -->\nold\n'
    readme.unlink()
    run = matrix(tuned_runs(['rs']), ['chess'], ['retinanet'], [1])[0]
    add_run(results / 'runs.csv', row_of(replace(run, lr=0.5), 0.4), [])
    with pytest.raises(SystemExit, match=r'chess, rs .*seed 1'):
        report.main(results, False, tmp_path)
