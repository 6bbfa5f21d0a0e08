"""Prepare a virtual environment for development: `make setup`. Standard library only.

Each stack has its own environment, with the versions in its constraints file. MMCV is compiled
once and its wheel is cached. If nothing has changed since the last run, this does nothing.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from environment import ROOT, Environment, locked, step
from mmcv_wheel import mmcv_wheel

SCRIPTS = ('setup_venv', 'environment', 'mmcv_wheel')
REQUIREMENTS = ROOT / 'requirements'
SHARED_CONSTRAINTS = REQUIREMENTS / 'constraints-shared.txt'


@dataclass(frozen=True)
class Stack:
    """A set of OpenMMLab distributions; all stacks use the same import names.

    Args:
        folder (str): Name of its environment.
        constraints (str): Its file of versions in ``requirements``.
        requirements (str): Its list of packages there.
        mmcv (str): Name of its MMCV on PyPI.
    """

    folder: str
    constraints: str
    requirements: str
    mmcv: str


STACKS = {
    'openmmlab': Stack('.venv', 'constraints.txt', 'runtime.txt', 'mmcv'),
    'onedl': Stack('.venv-onedl', 'constraints-onedl.txt', 'runtime-onedl.txt', 'onedl-mmcv'),
}

# Together these import nearly everything that tools and tests use. (The first step of an optimizer
# imports _dynamo.)
MODULES_USED = (
    'alrp_mmdet, hypothesis, matplotlib.pyplot, mmcv.ops, mmdet.apis, pytest, torch._dynamo, '
    'torch.distributed.run'
)


def main() -> None:
    check_python()
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('stack', nargs='?', choices=STACKS, default='openmmlab')
    stack = STACKS[parser.parse_args().stack]
    env = Environment(ROOT / stack.folder, REQUIREMENTS / stack.constraints)
    stamp = env.folder / 'setup.done'
    with locked(Path(__file__)):
        current = fingerprint(env, stack)
        if stamp.exists() and stamp.read_text() == current:
            return
        stamp.unlink(missing_ok=True)
        set_up(env, stack)
        stamp.write_text(current)


def set_up(env: Environment, stack: Stack) -> None:
    started = time.monotonic()
    print(f'Setting up {env.folder} (details: {env.log.relative_to(ROOT)})', flush=True)
    with step('virtual environment'):
        make_venv(env)
    with step('packages'):
        lists = [REQUIREMENTS / name for name in (stack.requirements, 'tests.txt')]
        build_tools = ['setuptools', 'wheel', 'ninja', 'psutil']
        # Not compiled: only a small part is ever imported, and the last step compiles that part.
        env.pip('install', '--no-compile', *build_tools, '-r', lists[0], '-r', lists[1])
    mmcv = mmcv_wheel(env, stack.mmcv)
    with step('MMCV and alrp_mmdet, editable'):
        # editable_mode=compat puts the checkout on sys.path. The default, an import hook, comes
        # after sys.path: a folder alrp_mmdet next to a script would win.
        env.pip('install', '--no-deps', '--no-build-isolation', '--config-settings',
                'editable_mode=compat', mmcv, '--editable', ROOT)  # fmt: skip
    with step('import check'):
        # Compile to bytecode what later starts will import.
        os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
        env.run(env.python, '-c', f'import {MODULES_USED}')
    print(f'Set-up done in {time.monotonic() - started:.0f} s', flush=True)


def check_python() -> None:
    if sys.version_info < (3, 10):  # noqa: UP036 - any `python3` may run this
        sys.exit(
            f'Python 3.10 or newer is required, but {sys.executable} is '
            f'{platform.python_version()}. Choose another one: make PYTHON=python3.11 ...'
        )


def fingerprint(env: Environment, stack: Stack) -> str:
    """A hash of everything that an environment is made from."""
    scripts = [Path(__file__).with_name(f'{name}.py') for name in SCRIPTS]
    lists = [REQUIREMENTS / name for name in (stack.requirements, 'tests.txt')]
    files = [*scripts, ROOT / 'setup.py', env.constraints, SHARED_CONSTRAINTS, *lists]
    parts = [sys.version, str(ROOT), *(path.read_text() for path in files)]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def make_venv(env: Environment) -> None:
    """Create the environment from scratch, removing what an interrupted set-up left."""
    if env.folder.exists() and not env.log.exists():
        sys.exit(f'This script did not create {env.folder}. Move it elsewhere and run this again.')
    if env.folder.exists():
        shutil.rmtree(env.folder)
    env.folder.mkdir()
    env.log.touch()
    try:
        venv.create(env.folder, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit(
            f'{sys.executable} cannot create a virtual environment: its venv module lacks pip. '
            'On Debian and Ubuntu, install the package python3-venv.'
        )


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit('\nInterrupted. Run the same command to continue.')
