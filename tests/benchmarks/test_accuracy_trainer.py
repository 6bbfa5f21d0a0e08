"""benchmarks/accuracy trains each run once, resumes, and survives failures."""

import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from accuracy_helpers import ROOT, curve_of, row_of

from benchmarks.accuracy import trainer
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.matrix import LEARNING_RATES, first_run
from benchmarks.accuracy.rows import METRICS, add_run, curves_of, read_rows, run_of
from benchmarks.accuracy.tuning import runs_of, settings

# Stands for tools/train.py: logs AP 0.5, or does what ORDER says.
TRAIN = """
import json, os, pathlib, sys, time
config, folder = map(pathlib.Path, (sys.argv[1], sys.argv[3]))
order = json.loads(os.environ.get('ORDER', '{}'))
action = next((a for part, a in order.items() if part in folder.name), None)
with (folder / 'calls.txt').open('a') as calls:
    calls.write(' '.join(sys.argv[4:]) + '\\n')
epochs = int(config.read_text().split('max_epochs=')[1].split(',')[0])
if (folder / f'epoch_{epochs}.pth').exists():
    sys.exit()  # complete
def evaluate(epoch):
    log = folder / f'2026010{epoch}_000000' / 'vis_data'
    log.mkdir(parents=True, exist_ok=True)
    values = {f'coco/bbox_{name}': 0.5 for name in METRICS}
    entries = [dict(loss=0.7, step=9, grad_norm=1.0), dict(values, step=epoch)]
    (log / 'scalars.json').write_text('\\n'.join(map(json.dumps, entries)))
(folder / 'epoch_1.pth').touch()
if action == 'wait':
    time.sleep(60)
if action == 'fail':
    evaluate(1)
    sys.exit('error: no such thing')
if action == 'fail in the first evaluation':
    sys.exit('error: no such thing')
if action == 'diverge':
    sys.exit('error: Training stopped at iteration 7: a logit is NaN or infinite')
(folder / f'epoch_{epochs}.pth').touch()
if action == 'fail in the last evaluation':
    sys.exit('error: no such thing')
evaluate(epochs)
"""


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """A trainer whose train.py is the one above; a file for its runs."""
    (tmp_path / 'tools').mkdir()
    text = TRAIN.replace('METRICS', repr(list(METRICS.values())))
    (tmp_path / 'tools' / 'train.py').write_text(text)
    monkeypatch.setattr(trainer, 'ROOT', tmp_path)
    for dataset in ('aquarium', 'chess', 'bccd'):
        annotations = tmp_path / 'data' / dataset / 'annotations'
        annotations.mkdir(parents=True)
        content = json.dumps(dict(categories=[dict(id=1, name='fish')]))
        for split in ('train', 'val'):
            (annotations / f'instances_{split}.json').write_text(content)
    made = trainer.Trainer(tmp_path / 'data', 'weights.pth', tmp_path / 'work', jobs=2)
    return made, tmp_path / 'results' / 'runs.csv'


def runs(number: int) -> list:
    return [replace(first_run('rs'), seed=seed) for seed in range(number)]


def calls(folder: Path) -> list[str]:
    return (folder / 'calls.txt').read_text().splitlines()


def test_finished_runs_are_not_repeated(setup, tmp_path, capsys):
    made, path = setup
    assert made.train(runs(3), path) == 0
    rows = read_rows(path)
    assert {run_of(row) for row in rows} == set(runs(3))
    assert {row['AP'] for row in rows} == {0.5} and {row['train_loss'] for row in rows} == {0.7}
    assert all(row['seconds'] >= 0 for row in rows)
    assert len(read_rows(curves_of(path))) == 3
    assert not list(tmp_path.rglob('*.pth'))  # they would fill the disk
    output = capsys.readouterr().out
    assert '[3/3]' in output and runs(3)[1].name in output and 'left' in output
    made.train([*runs(4), *runs(4)], path)
    assert '1 runs to train' in capsys.readouterr().out
    assert [len(calls(x)) for x in (tmp_path / 'work').iterdir() if x.is_dir()] == [1] * 4


def test_failures_and_divergence(setup, monkeypatch, capsys):
    made, path = setup
    monkeypatch.setenv('ORDER', json.dumps(dict(seed0='fail', seed1='diverge')))
    assert made.train(runs(3), path) == 1
    output = capsys.readouterr().out
    assert 'no such thing' in output and 'output.txt' in output
    rows = {row['seed']: row for row in read_rows(path)}
    assert set(rows) == {1, 2}  # a failure is not a result
    assert (rows[1]['AP'], rows[1]['oLRP'], rows[2]['AP']) == (0, 1, 0.5)
    assert (rows[1]['AP50'], rows[1]['AP75'], rows[1]['oLRP_fn']) == (0, 0, 1)
    assert math.isnan(rows[1]['oLRP_loc']) and math.isnan(rows[1]['oLRP_fp'])
    monkeypatch.setenv('ORDER', '{}')
    assert made.train(runs(3), path) == 0
    rows = {row['seed']: row for row in read_rows(path)}
    assert rows[0]['AP'] == 0.5 and math.isnan(rows[0]['seconds'])  # the first part is not known


def test_changed_config_starts_from_nothing(setup, tmp_path, monkeypatch):
    made, path = setup
    [run] = runs(1)
    monkeypatch.setenv('ORDER', json.dumps(dict(seed0='fail')))
    made.train([run], path)
    made.train([run], path)
    folder = tmp_path / 'work' / run.name
    assert len(calls(folder)) == 2  # resumed
    monkeypatch.setenv('ORDER', '{}')
    made.weights = 'others.pth'
    made.train([run], path)
    assert calls(folder) == ['--resume']
    assert read_rows(path)[0]['seconds'] >= 0
    path.unlink()  # to repeat a finished run
    made.train([run], path)
    assert calls(folder) == ['--resume']
    assert read_rows(path)[0]['seconds'] >= 0


@pytest.mark.parametrize('which', ['first', 'last'])
def test_interrupted_evaluation_is_repeated(setup, tmp_path, monkeypatch, which):
    """Resuming goes on after the checkpoint, so that its evaluation would be missing."""
    made, path = setup
    [run] = runs(1)
    monkeypatch.setenv('ORDER', json.dumps(dict(seed0=f'fail in the {which} evaluation')))
    assert made.train([run], path) == 1
    monkeypatch.setenv('ORDER', '{}')
    assert made.train([run], path) == 0
    assert calls(tmp_path / 'work' / run.name) == ['--resume']  # from nothing
    assert read_rows(path)[0]['seconds'] >= 0


def test_stopping_does_not_wait_for_other_processes(setup, tmp_path):
    made, path = setup
    [run] = runs(1)
    (tmp_path / 'work').mkdir()
    with (tmp_path / 'work' / f'{run.name}.lock').open('w') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = threading.Thread(target=made.train, args=([run], path), daemon=True)
        thread.start()
        time.sleep(0.2)
        assert thread.is_alive()
        made.stopping = True
        thread.join(20)
        assert not thread.is_alive()
    assert read_rows(path) == [] and not (tmp_path / 'work' / run.name).exists()


def test_overrides_are_passed_on(setup, tmp_path):
    made, path = setup
    run = replace(first_run('rs'), variant='a', overrides='x.y=1 z="[1, 2]"')
    made.train([run], path)
    assert calls(tmp_path / 'work' / run.name) == ['--resume --cfg-options x.y=1 z=[1, 2]']
    assert run_of(read_rows(path)[0]) == run


def test_tune_then_run(setup, tmp_path, monkeypatch, capsys):
    """The command line, with the tuned settings."""
    (tmp_path / 'weights.pth').touch()
    options = ['--data-root', str(tmp_path / 'data'), '--weights', str(tmp_path / 'weights.pth')]
    options += ['--results', str(tmp_path / 'results'), '--work-dir', str(tmp_path / 'work')]
    options += ['--losses', 'rs', 'focal_giou', '--jobs', '1']
    monkeypatch.setattr(signal, 'signal', lambda *args: None)
    with pytest.raises(SystemExit, match='tune'):
        main(['run', *options, '--datasets', 'bccd'])
    main(['tune', *options])
    tuning = tmp_path / 'results' / 'tuning.csv'
    assert len(read_rows(tuning)) == 2 * 6 * 2
    best = settings(replace(first_run('rs'), lr=LEARNING_RATES[2]))[2]
    for candidate, ap in ((replace(best, setting=first_run('rs').setting), 0.6), (best, 0.7)):
        for run in runs_of(candidate):
            add_run(tuning, row_of(run, ap), curve_of(run, [ap]))
    main(['tune', *options])  # the second stage of another learning rate
    main(['run', *options, '--datasets', 'bccd', '--seeds', '0-1'])
    rows = read_rows(tmp_path / 'results' / 'runs.csv')
    assert len(rows) == 4
    assert {(x['lr'], x['setting']) for x in rows if x['loss'] == 'rs'} == {(best.lr, best.setting)}
    assert {x['setting'] for x in rows if x['loss'] == 'focal_giou'} == {
        first_run('focal_giou').setting
    }
    main(['variants', *options, '--names', 'ciou', 'clip0.1'])
    rows = read_rows(tmp_path / 'results' / 'variants.csv')
    assert {(x['loss'], x['variant']) for x in rows} == {
        (loss, name) for loss in ('rs', 'focal_giou') for name in ('ciou', 'clip0.1')
    }  # without a change, they are in the tuning
    for wrong, name in (
        (['run', *options, '--datasets', 'bccd', '--detectors', 'ssd'], 'ssd'),
        (
            ['run', *options, '--datasets', 'bccd', '--detectors', 'atss', '--losses', 'focal_l1'],
            'focal_l1',
        ),
        (['run', *options, '--datasets', 'boggle'], 'boggle'),
        (['run', *options, '--weights', 'none.pth'], 'none.pth'),
        (['variants', *options, '--variant', 'a:b'], 'a:b'),
        (['variants', *options, '--names', 'nothing'], 'nothing'),
        (['run', *options, '--datasets', 'bccd', '--seeds', '99-101'], '100'),
        (['run', *options, '--jobs', '0'], '--jobs'),
        (['run', *options, '--datasets', 'bccd', '--epochs', '0'], '--epochs'),
    ):
        with pytest.raises(SystemExit, match=name):
            main(wrong)
    with curves_of(tuning).open('a') as file:
        file.write('=======\n')
    with pytest.raises(SystemExit, match=r'tuning_curves\.csv, line'):
        main(['run', *options, '--datasets', 'bccd'])


HARNESS = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from benchmarks.accuracy import trainer
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
from test_accuracy_trainer import runs
folder = Path({folder!r})
trainer.ROOT = folder
made = trainer.Trainer(folder / 'data', 'weights.pth', folder / 'work', 2)
made.train(runs(4), folder / 'results' / 'runs.csv')
"""


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='needs /proc')
@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM])
def test_stopping_ends_the_trainings(setup, tmp_path, stop):
    script = HARNESS.format(root=str(ROOT), tests=str(Path(__file__).parent), folder=str(tmp_path))
    env = dict(os.environ, ORDER=json.dumps({'seed': 'wait'}))
    process = subprocess.Popen([sys.executable, '-c', script], env=env)
    try:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob('work/*/calls.txt'))) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        children = Path(f'/proc/{process.pid}/task').glob('*/children')
        pids = [int(pid) for path in children for pid in path.read_text().split()]
        assert len(pids) == 2
        process.send_signal(stop)
        assert process.wait(30) != 0
        assert not any(is_alive(pid) for pid in pids)
        assert len(list(tmp_path.glob('work/*/calls.txt'))) == 2  # no new ones were started
        assert read_rows(tmp_path / 'results' / 'runs.csv') == []
    finally:
        process.kill()
