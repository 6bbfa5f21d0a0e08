"""The report of benchmarks/accuracy is right while runs are missing, and refuses unfair ones."""

import math
import shlex
from dataclasses import replace

import pytest
from accuracy_helpers import curve_of, row_of, tuned_runs

from benchmarks.accuracy import figures, report
from benchmarks.accuracy.__main__ import parse_args
from benchmarks.accuracy.comparison import describe_differences, group, mean_differences
from benchmarks.accuracy.matrix import DATASETS, LOSSES, PLAN, first_run, matrix
from benchmarks.accuracy.rows import COLUMNS, add_run, read_rows
from benchmarks.accuracy.summary import (
    coverage,
    devices,
    repeats,
    scope,
    tuning_notes,
    verdict,
)
from benchmarks.accuracy.tables import differences_table, overview_table, tuning_table
from benchmarks.accuracy.tuning import clip_norms, learning_rates, runs_of, settings

TRIO = ['focal_giou', 'alrp', 'rs']


def rows_of(gains: dict[str, float], seeds: int, number: int | None = None) -> list[dict]:
    """The first runs of a matrix; AP rises with the seed, and by the gain of each loss."""
    runs = matrix(tuned_runs(gains), list(DATASETS), ['retinanet'], range(seeds))[:number]
    return [row_of(run, 0.3 + run.seed / 100 + gains[run.loss]) for run in runs]


def test_equal_differences_have_no_interval():
    """AP is rounded: an interval of no width would be a false certainty."""
    numbers = {0: 100 * (0.111 - 0.101), 1: 100 * (0.312 - 0.302), 2: 1.0}
    assert describe_differences(numbers) == '+1.0, 3/3'
    assert describe_differences({0: 1e-14, 1: -1e-14}) == '+0.0, 0/2'
    assert describe_differences({0: -0.04}) == '+0.0, 0/1'


def test_means_over_data_sets_need_all_of_them():
    rows = rows_of(dict(focal_giou=0, alrp=0.01, rs=0.02), 2)
    rows = [x for x in rows if (x['dataset'], x['loss']) != ('boggle', 'alrp')]
    rows = [x for x in rows if (x['dataset'], x['loss'], x['seed']) != ('bccd', 'rs', 1)]
    groups = group(rows)
    assert mean_differences(groups, 'retinanet', 'alrp') == {}
    assert mean_differences(groups, 'retinanet', 'rs') == pytest.approx({0: 2})
    last = differences_table(groups, 'retinanet').splitlines()[-1]
    assert last == '| mean of the 4 |  | +2.0, 1/1 |'


def test_missing_runs_are_listed():
    groups = group(rows_of(dict.fromkeys(TRIO, 0.0), 3, 29))
    text = coverage(groups, [])
    assert '29 of 148' in text and 'ATSS: no runs' in text and 'Changes to a loss: no' in text
    for part in ('RS 2 to 3 of 5', 'aLRP 2 to 3 of 5', 'AP + GIoU no runs', 'focal + L1 no runs'):
        assert part in text
    assert [x.split(' | ')[1] for x in overview_table(groups, 'retinanet').splitlines()[2:]] == [
        '3',
        '2 to 3',
        '2',
        '2',
    ]
    complete = [
        row_of(run, 0.3)
        for detector, (losses, seeds) in PLAN.items()
        for run in matrix(tuned_runs(losses), list(DATASETS), [detector], seeds)
    ]
    assert len(complete) == 148
    assert coverage(group(complete), [row_of(first_run('rs'), 0.3)]) == ''
    assert '147 of 148' in coverage(group(complete[:-1]), [])


def test_repeated_runs_are_compared_with_the_first():
    first, second = (replace(first_run('rs'), lr=lr) for lr in (0.001, 0.0004))
    rows = [row_of(first, 0.3), row_of(second, 0.2)]
    assert repeats(rows, []) == repeats([], rows) == ''
    again = [dict(row_of(first, 0.28), device='GPU'), dict(row_of(second, 0.21), device='GPU')]
    other = dict(row_of(first_run('alrp'), 0.9), device='GPU')
    text = repeats(rows, [*again, other])
    assert text.startswith('2 tuning runs repeated on GPU: AP changed by 1.5 on average and 2.0')
    assert '-0.5' in text


def test_plan_is_what_the_page_runs():
    [code] = report.TEMPLATE.read_text().split('```bash\n')[1:]
    planned = {}
    for line in code.split('```')[0].splitlines():
        args = parse_args(shlex.split(line)[2:])
        if args.command == 'run':
            planned |= {x: (tuple(args.losses), tuple(args.seeds)) for x in args.detectors}
            assert args.datasets == list(DATASETS)
    assert planned == PLAN


@pytest.mark.parametrize(
    'gain, seeds, target', [(0.015, 5, 'reached'), (0.014, 5, 'not reached'), (0.03, 4, 'open')]
)
def test_verdict(gain, seeds, target):
    rows = rows_of(dict(focal_giou=0, focal_l1=-0.01, rs=gain), seeds)
    for row in rows:  # the intervals get a width
        row['AP'] += 1e-4 * (row['seed'] - (seeds - 1) / 2) * (row['loss'] == 'rs')
    l1, rs = verdict(group(rows), 'retinanet').splitlines()
    assert 'on 4 of 4 datasets' in rs and 'every seed on 4' in rs and 'above zero on 4' in rs
    assert f'Target: {target}' in rs
    assert 'on 0 of 4 datasets' in l1 and 'every seed on 0' in l1 and 'Target' not in l1
    for row in rows:  # behind on one dataset
        row['AP'] -= 0.1 * (row['dataset'] == 'bccd' and row['loss'] == 'rs')
    _, rs = verdict(group(rows), 'retinanet').splitlines()
    assert 'on 3 of 4' in rs and 'every seed on 3' in rs and 'below zero on 1' in rs
    assert ('not reached' in rs) == (seeds == 5)
    assert verdict(group(rows_of(dict(focal_giou=0), 2)), 'retinanet') == ''
    one = group([row for row in rows if row['dataset'] == 'chess'])
    assert 'on 1 of 1' in verdict(one, 'retinanet') and 'Target' not in verdict(one, 'retinanet')


def test_scope_names_devices_and_times():
    rows = [row_of(first_run('rs'), 0.3, seconds=s) for s in (60, math.nan, 240)]
    assert devices(rows) == (
        '3 runs on one CPU core each, 2.5 minutes on average, 4.0 at most (commit `0123456789`)'
    )
    assert devices(rows[1:2]) == '1 run on one CPU core each (commit `0123456789`)'
    tuning = [row_of(first_run('rs'), 0.3, device='NVIDIA H200', commit='abc')] * 2
    first, second = scope(rows, tuning).splitlines()
    assert first.endswith(f'{devices(rows)}.') and 'Tuning' not in first
    assert 'Tuning: 2 runs on NVIDIA H200 (commit `abc`)' in second
    assert scope(rows, []).count('\n') == 1


def test_tuning_table_is_sorted_by_value_and_notes_edges():
    alrp = first_run('alrp')
    settings = [f'loss_cls.bbox_weight={value}' for value in (50, 15, 5)]
    rows = [row_of(replace(alrp, setting=setting), 0.3) for setting in settings]
    rows.append(row_of(replace(first_run('alrp'), epochs=1), 0.9))  # a try
    values = [x.split('=')[1].split('`')[0] for x in tuning_table(rows).splitlines()[2:]]
    assert values == ['5', '15', '50']
    tuned = dict(alrp=replace(first_run('alrp'), lr=0.0004), ap=first_run('ap'))
    notes = tuning_notes(tuned)
    assert 'learning rate of aLRP (0.0004)' in notes and 'setting of aLRP (1)' in notes
    assert 'AP + GIoU' not in notes
    assert tuning_notes(dict(ap=first_run('ap'))) == tuning_notes({}) == ''


def test_unfair_runs_stop_the_report(tmp_path):
    (tmp_path / 'docs').mkdir()
    rs, focal = (replace(first_run(loss), seed=0) for loss in ('rs', 'focal_giou'))
    best = learning_rates('rs')[1]
    candidates = dict.fromkeys([*learning_rates('rs'), *settings(best), *clip_norms(best)])
    tuning = [row_of(run, 0.4) for candidate in candidates for run in runs_of(candidate)]
    for row in tuning:
        for name in ('lr', 'setting', 'clip_norm'):
            row['AP'] += 0.1 * (row[name] == getattr(best, name))
    for name, runs, tuned, match in (
        (
            'setting',
            [rs, replace(rs, seed=1, setting='loss_cls.delta=1')],
            [],
            'aquarium, rs .*set',
        ),
        ('epochs', [focal, replace(rs, epochs=2)], [], r'aquarium, rs .*2 epochs.*giou has 5'),
        ('tuning', [rs], tuning, rf'aquarium, rs .*{rs.lr:g}.*{best.lr:g}'),
    ):
        folder = tmp_path / name
        for run in runs:
            add_run(folder / 'runs.csv', row_of(run, 0.3), curve_of(run, [0.3]))
        for row in tuned:
            add_run(folder / 'tuning.csv', row, [])
        for check in (False, True):
            with pytest.raises(SystemExit, match=match):
                report.main(folder, check, tmp_path)
    assert not list((tmp_path / 'docs').iterdir())


@pytest.mark.parametrize('damage', ['<<<<<<< HEAD\n', 'chess,retinanet,rs,1,0.1\n'])
def test_damaged_files_are_named(tmp_path, damage):
    path = tmp_path / 'runs.csv'
    add_run(path, row_of(first_run('rs'), 0.3), [])
    path.write_text(path.read_text() + damage)
    with pytest.raises(ValueError, match=r'runs\.csv, line 3') as error:
        read_rows(path)
    assert damage.split(',')[0].strip() in str(error.value)
    with pytest.raises(SystemExit, match=r'runs\.csv, line 3'):
        report.main(tmp_path, True, tmp_path)
    path.write_text('AP,loss\n0.3,rs\n')
    with pytest.raises(ValueError, match=rf'line 1.*{COLUMNS[0]}'):
        read_rows(path)


def test_duplicate_curves_count_once():
    """Merging two CSV files may repeat lines."""
    [row] = rows_of(dict(rs=0.1), 1, 1)
    points = curve_of(first_run('rs'), [0.1, 0.4])
    for point in points:
        point['seed'] = 0
    shown = figures.curves(group([row]), [*points, *points], 'retinanet')
    assert shown == dict(aquarium=dict(rs=[[100, 10.0], [200, 40.0]]))
    with pytest.raises(ValueError, match='aquarium, rs, seed 0'):
        figures.curves(group([row]), [], 'retinanet')


def test_legend_has_the_losses_of_all_panels(tmp_path):
    numbers = dict(chess=dict(rs=[[1, 2.0]]), bccd=dict(focal_giou=[[1, 2.0]], rs=[[1, 3.0]]))
    figures.draw_curves(numbers, 'retinanet', tmp_path / 'a.svg')
    text = (tmp_path / 'a.svg').read_text()
    for loss in ('rs', 'focal_giou'):
        assert text.count(f'<!-- {LOSSES[loss].title} -->') == 1
