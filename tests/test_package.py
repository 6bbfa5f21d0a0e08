"""The plugin as a whole: the versions it accepts, and configs inherited by its name."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*args, cwd):
    return subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=300
    )


def stack(**changes):
    return {**dict(torch='2.13.0+cpu', mmengine='0.10.7', mmcv='2.1.0', mmdet='3.3.0'), **changes}


@pytest.mark.parametrize(
    'installed',
    [
        stack(),
        stack(torch='2.6.0', mmcv='2.0.0', mmdet='3.0.0'),
        stack(mmengine='0.10.12', mmcv='2.3.6', mmdet='3.5.0'),  # the maintained forks
    ],
)
def test_versions_that_work_are_accepted(installed):
    compat = pytest.importorskip('alrp_mmdet.compat')
    assert compat.version_problems(installed, has_ops=True) == []


@pytest.mark.parametrize(
    'changes, named',
    [
        (dict(torch='2.5.1'), 'torch is 2.5.1'),
        (dict(mmdet='2.28.2'), 'mmdet is 2.28.2'),
        (dict(mmcv='2.2.0'), 'mmcv is 2.2.0'),
        (dict(mmcv='2.3.6'), 'mmcv is 2.3.6'),
        (dict(mmcv='1.7.2'), 'mmcv is 1.7.2'),
        (dict(mmcv=None), 'mmcv is not installed'),
        (dict(mmengine=None), 'mmengine is not installed'),
        (dict(mmengine='0.7.0'), 'mmengine is 0.7.0'),
    ],
)
def test_versions_known_not_to_work_are_named(changes, named):
    compat = pytest.importorskip('alrp_mmdet.compat')
    problems = compat.version_problems(stack(**changes), has_ops=True)
    assert len(problems) == 1
    assert problems[0].startswith(named)


def test_mmcv_without_ops_is_named():
    compat = pytest.importorskip('alrp_mmdet.compat')
    [problem] = compat.version_problems(stack(), has_ops=False)
    assert 'compiled ops' in problem


def test_error_says_what_is_installed_and_what_to_type(monkeypatch):
    compat = pytest.importorskip('alrp_mmdet.compat')
    monkeypatch.setattr(compat, '_version', stack(mmcv='2.2.0').get)
    with pytest.raises(ImportError, match=r'mmdet 3\.3\.0.*pip install') as error:
        compat.check_versions()
    assert 'mmcv is 2.2.0' in str(error.value)


def test_versions_are_read_without_importing():
    pytest.importorskip('mmdet')
    code = (
        'import runpy, sys; '
        f'compat = runpy.run_path({str(ROOT / "alrp_mmdet/compat.py")!r}); '
        'compat["check_versions"](); '
        'assert not {"mmdet", "mmcv"} & set(sys.modules)'
    )
    result = run('-c', code, cwd=ROOT)
    assert result.returncode == 0, result.stderr


def test_configs_can_be_inherited_by_the_name_of_the_package(tmp_path):
    pytest.importorskip('alrp_mmdet.models')
    from mmengine.config import Config
    from mmengine.runner import Runner

    config = tmp_path / 'mine.py'
    config.write_text(
        "_base_ = 'alrp_mmdet::retinanet/alrp_retinanet_r18_fpn_demo_shapes.py'\n"
        'train_dataloader = dict(batch_size=3)\n'
    )
    cfg = Config.fromfile(config)
    assert cfg.train_dataloader.batch_size == 3
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.update(data_root=str(tmp_path / 'shapes'), num_images=3)
    cfg.update(work_dir=str(tmp_path), experiment_name='inherited')
    runner = Runner.from_cfg(cfg)  # builds the model, the rest where it is used
    assert type(runner.model.bbox_head).__name__ == 'ALRPRetinaHead'
    assert len(runner.build_dataloader(cfg.train_dataloader)) == 1
    runner.build_evaluator({**cfg.val_evaluator, 'ann_file': None})
    assert 'AtomicCheckpointHook' in {type(hook).__name__ for hook in runner.hooks}
