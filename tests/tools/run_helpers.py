"""Runs that stop, their configs and their logs."""

from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.hooks import Hook


class StoppedError(Exception):
    pass


@HOOKS.register_module(force=True)
class StopForTest(Hook):
    def __init__(self, after):
        self.after = after

    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter + 1 == self.after:
            raise StoppedError


def derived(config: Path, name: str, change: str) -> Path:
    path = config.with_name(f'{name}.py')
    path.write_text(f'_base_ = {config.name!r}\n{change}\n')
    return path


def log_of(work_dir: Path) -> str:
    return '\n'.join(path.read_text() for path in work_dir.glob('*/*.log'))
