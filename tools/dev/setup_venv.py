"""Make `.venv` ready for work: what `make setup` runs. Standard library only.

Everything is installed at the versions of requirements/constraints.txt. MMCV has no binary wheel:
it is compiled once, and its wheel is kept outside the checkout under a name that says for which
MMCV, torch build, Python and platform it is. Run again, this does nothing unless what it depends on
has changed.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
LOG = VENV / 'setup.log'
STAMP = VENV / 'setup.done'
CONSTRAINTS = ROOT / 'requirements' / 'constraints.txt'
CACHE = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'alrp_mmdet'

# Run by the new environment's Python: what decides for which build a wheel of MMCV is good.
ASK_TORCH = """
import json, torch
from torch.utils import cpp_extension as cpp
print(json.dumps(dict(
    torch=torch.__version__,
    cuda=torch.cuda.is_available() and cpp.CUDA_HOME is not None,
)))
"""

# Likewise: the very command by which setuptools and torch compile a C++ file of an extension. A
# precompiled header is used only by a compiler that is given the same flags.
ASK_COMPILER = """
import json, sysconfig
from setuptools._distutils import ccompiler, sysconfig as flags
from torch.utils import cpp_extension as cpp
compiler = ccompiler.new_compiler()
flags.customize_compiler(compiler)
includes = cpp.include_paths() + [sysconfig.get_paths()['include']]
print(json.dumps([
    cpp.get_cxx_compiler(), *compiler.compiler_so[1:], *('-I' + path for path in includes),
    '-std=c++17', '-DTORCH_API_INCLUDE_EXTENSION_H', '-DTORCH_EXTENSION_NAME=_ext',
]))
"""


def main() -> None:
    check_python()
    fingerprint = fingerprint_of_setup()
    if STAMP.exists() and STAMP.read_text() == fingerprint:
        return
    started = time.monotonic()
    print(f'Setting up {VENV} (details: {LOG.relative_to(ROOT)})', flush=True)
    with step('virtual environment'):
        make_venv()
    with step('torch and build tools'):
        pip('install', 'torch', 'setuptools', 'wheel', 'ninja', 'psutil')
    mmcv = mmcv_wheel()
    with step('MMDetection and test tools'):
        pip('install', '-r', ROOT / 'requirements/runtime.txt', mmcv)
        pip('install', '-r', ROOT / 'requirements/tests.txt')
    with step('alrp_mmdet, editable'):
        pip('install', '--no-deps', '--no-build-isolation', '--editable', ROOT)
    STAMP.write_text(fingerprint)
    print(f'Set-up done in {time.monotonic() - started:.0f} s', flush=True)


def check_python() -> None:
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        sys.exit(
            f'Python 3.10, 3.11 or 3.12 is needed, but {sys.executable} is '
            f'{sys.version_info[0]}.{sys.version_info[1]} (MMCV 2.1 does not build from 3.13 on). '
            'Name another one: make PYTHON=python3.11 ...'
        )


def fingerprint_of_setup() -> str:
    """Changes whenever the environment has to be made anew."""
    parts = [sys.version, str(ROOT)]
    files = [Path(__file__), ROOT / 'setup.py', *sorted((ROOT / 'requirements').iterdir())]
    parts += [path.read_text() for path in files]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def make_venv() -> None:
    """Start from nothing, so that what an interrupted set-up left behind cannot matter."""
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit(
            f'{sys.executable} cannot make a virtual environment: its venv module lacks pip. '
            'On Debian and Ubuntu, install the package python3-venv.'
        )


def mmcv_wheel() -> Path:
    """The wheel of MMCV for this environment, from the cache or compiled into it."""
    torch = json.loads(run(PYTHON, '-c', ASK_TORCH))
    version = re.search(r'^mmcv==(\S+)', CONSTRAINTS.read_text(), re.MULTILINE)[1]
    ops = 'cuda' if torch['cuda'] else 'cpu'
    python = f'{sys.implementation.cache_tag}-{sysconfig.get_platform()}'
    shelf = CACHE / f'mmcv-{version}-{ops}-torch-{torch["torch"]}-{python}'
    if not any(shelf.glob('*.whl')):
        shelf.parent.mkdir(parents=True, exist_ok=True)
        # Beside the shelf, so that a finished wheel gets there in one move.
        with tempfile.TemporaryDirectory(dir=CACHE, prefix='building-') as workspace:
            wheel = build_mmcv(Path(workspace), version, ops)
            shelf.mkdir(exist_ok=True)
            wheel.replace(shelf / wheel.name)
    return next(shelf.glob('*.whl'))


def build_mmcv(workspace: Path, version: str, ops: str) -> Path:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    os.environ.setdefault('MAX_JOBS', str(cores))
    os.environ.update(MMCV_WITH_OPS='1', FORCE_CUDA='1' if ops == 'cuda' else '0', CFLAGS='-O2 -g0')
    if ops == 'cpu':  # a GPU without a toolkit would be tried, and fail
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    compiler = json.loads(run(PYTHON, '-c', ASK_COMPILER))
    if shutil.which(compiler[0]) is None:
        sys.exit(
            f'MMCV has to be compiled, but there is no C++ compiler {compiler[0]!r}. Install one '
            '(on Debian and Ubuntu: g++), or set CXX.'
        )
    with step('MMCV, source'):
        pip('download', '--no-deps', '--no-build-isolation', '--no-binary=mmcv', '-d', workspace,
            f'mmcv=={version}')  # fmt: skip
        with tarfile.open(next(workspace.glob('*.tar.gz'))) as archive:
            archive.extractall(workspace)
    source = workspace / f'mmcv-{version}'
    if ops == 'cpu':
        with step('MMCV, precompiled header'):
            precompile_header(source, compiler)
    with step(f'MMCV, {ops} ops (once; minutes)'):
        pip('wheel', '--no-deps', '--no-build-isolation', '-w', workspace, source)
    return next(workspace.glob('*.whl'))


def precompile_header(source: Path, compiler: list[str]) -> None:
    """Parse torch's headers once instead of 63 times. Only a speed-up: without it, all goes on."""
    header = source / 'mmcv/ops/csrc/common/pytorch_cpp_helper.hpp'
    out = header.with_suffix('.hpp.gch')
    command = [*compiler, '-x', 'c++-header', str(header), '-o', str(out)]
    with LOG.open('a') as log:
        if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
            out.unlink(missing_ok=True)


@contextlib.contextmanager
def step(name: str):
    started = time.monotonic()
    print(f'  {name:36s}', end='', flush=True)
    try:
        yield
    except BaseException:
        print(' failed', flush=True)
        raise
    print(f'{time.monotonic() - started:5.0f} s', flush=True)


def pip(command: str, *args) -> None:
    run(PYTHON, '-m', 'pip', command, '--disable-pip-version-check', '-c', CONSTRAINTS, *args)


def run(*command) -> str:
    """Output of a command; its log is kept, and shown where it ends if the command fails."""
    command = [str(part) for part in command]
    with LOG.open('a') as log:
        log.write(f'$ {" ".join(command)}\n')
        log.flush()
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True)
        log.write(process.stdout)
    if process.returncode != 0:
        tail = ''.join(LOG.read_text(errors='replace').splitlines(keepends=True)[-25:])
        sys.exit(f'\n{tail}\nThis command failed: {" ".join(command)}\nThe whole log: {LOG}')
    return process.stdout


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit('\nInterrupted. Run the same command to go on.')
