"""What the command line of training and testing does to files."""

import pytest
from mmdet.registry import TRANSFORMS
from mmengine.runner import Runner

from alrp.files import folder_problem, output_problem
from alrp_mmdet.cli import (
    exit_on_error,
    load_config,
    make_parser,
    remove_work_dir_if_refused,
)
from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.errors import rank


@pytest.mark.parametrize(
    'error, other, is_new, removed',
    [
        (ConfigError(), None, True, True),
        (KeyError('Gone is not in the mmdet::model registry'), None, True, True),
        (KeyError('img'), None, True, False),
        (FloatingPointError(), None, True, False),
        (KeyboardInterrupt(), None, True, False),
        (ConfigError(), 'vis_data/scalars.json', True, False),
        (ConfigError(), None, False, False),
    ],
)
def test_a_refused_run_leaves_no_new_work_dir(tmp_path, error, other, is_new, removed):
    run = tmp_path / 'runs' / 'tiny'
    if not is_new:
        run.mkdir(parents=True)
    names = ['20260101/20260101.log', 'vis_data/config.py', 'tiny.py', *([other] if other else [])]
    with pytest.raises(type(error)), remove_work_dir_if_refused(str(run)):
        for name in names:
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).touch()
        raise error
    assert [(run / name).exists() for name in names] == [not removed] * len(names)
    assert (tmp_path / 'runs').exists() != removed and tmp_path.exists()


@pytest.mark.parametrize('launcher, index', [('none', 0), ('slurm', 3), ('mpi', 0), ('pytorch', 0)])
def test_the_rank_is_that_of_the_launcher(tmp_path, monkeypatch, launcher, index):
    """A job step of SLURM may also run a tool several times, with other arguments."""
    monkeypatch.setenv('RANK', '')  # to be restored after the test
    monkeypatch.delenv('RANK')
    monkeypatch.setenv('SLURM_PROCID', '3')
    config = tmp_path / 'tiny.py'
    config.write_text('model = dict()')
    load_config(make_parser('').parse_args([str(config), '--launcher', launcher]))
    assert rank() == index


def test_a_work_dir_may_hold_anything(tmp_path):
    (tmp_path / 'log').mkdir()
    assert folder_problem(tmp_path, tmp_path) is None
    (tmp_path / 'file').touch()
    assert 'cannot write' in folder_problem('run', tmp_path / 'file' / 'run')


@pytest.mark.parametrize(
    'part, facts',
    [
        (dict(type='RandomResize', scale=(64, 64), keep_ratios=True), 'wrong: .*keep_ratios'),
        (dict(type='RandomFlip', prob=[0.5, 0.5], direction='up'), None),  # an assertion of MMCV
        (dict(keep_ratio=True), "has no type: {'keep_ratio': True}"),
        (dict(type='Resiz'), "'Resiz', but there is no transform of this name"),
    ],
)
def test_what_cannot_be_built_in_a_run_is_one_line(part, facts):
    error = AssertionError if facts is None else SystemExit
    with pytest.raises(error, match=facts), exit_on_error():
        TRANSFORMS.build(part)


def test_a_setting_that_the_runner_does_not_take_is_one_line():
    with pytest.raises(SystemExit, match=r"wrong: .*'num_worker'"), exit_on_error():
        Runner.build_dataloader(dict(dataset=[0], sampler=None, batch_size=1, num_worker=1))


def test_other_type_errors_keep_their_traceback():
    with pytest.raises(TypeError, match='unexpected'), exit_on_error():
        output_problem('a', wrong=1)
