"""Make `.venv` ready for work: what `make setup` runs. Standard library only.

Everything is installed at the versions of requirements/constraints.txt. MMCV has no binary wheel:
it is compiled once, and its wheel is kept outside the checkout under a name that says for which
MMCV, torch build, Python and platform it is. Run again, this does nothing unless what it depends on
has changed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
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

# What tools and tests import, and by this nearly all that they ever import. (An optimizer's first
# step imports _dynamo.)
WHAT_IS_USED = (
    'alrp_mmdet, hypothesis, matplotlib.pyplot, mmcv.ops, mmdet.apis, pytest, torch._dynamo, '
    'torch.distributed.run'
)

# Run by the new environment's Python: what decides for which build a wheel of MMCV is good.
ASK_TORCH = """
import json, os, subprocess, torch
from torch.utils import cpp_extension as cpp
ops = 'cpu'
if torch.cuda.is_available() and cpp.CUDA_HOME:
    nvcc = os.path.join(cpp.CUDA_HOME, 'bin', 'nvcc')
    toolkit = subprocess.run([nvcc, '--version'], capture_output=True, text=True).stdout
    if f'release {torch.version.cuda.split(".")[0]}.' in toolkit:
        cards = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}
        ops = '-'.join(['cuda', *('sm%d%d' % card for card in sorted(cards))])
print(json.dumps(dict(torch=torch.__version__, ops=ops)))
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
    with alone(Path(__file__)):
        fingerprint = fingerprint_of_setup()
        if STAMP.exists() and STAMP.read_text() == fingerprint:
            return
        set_up()
        STAMP.write_text(fingerprint)


def set_up() -> None:
    started = time.monotonic()
    print(f'Setting up {VENV} (details: {LOG.relative_to(ROOT)})', flush=True)
    with step('virtual environment'):
        make_venv()
    with step('packages'):
        lists = [ROOT / 'requirements' / name for name in ('runtime.txt', 'tests.txt')]
        build_tools = ['setuptools', 'wheel', 'ninja', 'psutil']
        # Uncompiled: a small part of all this is ever imported, and the last step compiles that.
        pip('install', '--no-compile', *build_tools, '-r', lists[0], '-r', lists[1])
    mmcv = mmcv_wheel()
    with step('MMCV and alrp_mmdet, editable'):
        # By its path: a finder would lose against a clone, a folder of that name beside a script.
        pip('install', '--no-deps', '--no-build-isolation', '--config-settings',
            'editable_mode=compat', mmcv, '--editable', ROOT)  # fmt: skip
    with step('does it work?'):
        # Each later start would compile anew what this does not leave behind compiled.
        os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
        run(PYTHON, '-c', f'import {WHAT_IS_USED}')
    print(f'Set-up done in {time.monotonic() - started:.0f} s', flush=True)


def check_python() -> None:
    if sys.version_info < (3, 10):  # noqa: UP036 - this is run by whatever `python3` is
        sys.exit(
            f'Python 3.10 or newer is needed, but {sys.executable} is '
            f'{platform.python_version()}. Name another one: make PYTHON=python3.11 ...'
        )


def fingerprint_of_setup() -> str:
    """Changes whenever the environment has to be made anew."""
    parts = [sys.version, str(ROOT)]
    files = [Path(__file__), ROOT / 'setup.py', *sorted((ROOT / 'requirements').iterdir())]
    parts += [path.read_text() for path in files]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def make_venv() -> None:
    """Start from nothing, so that what an interrupted set-up left behind cannot matter."""
    if VENV.exists() and not LOG.exists():
        sys.exit(f'{VENV} was not made by this set-up. Move it away, and run this again.')
    if VENV.exists():
        STAMP.unlink(missing_ok=True)
        shutil.rmtree(VENV)
    VENV.mkdir()
    LOG.touch()
    try:
        venv.create(VENV, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit(
            f'{sys.executable} cannot make a virtual environment: its venv module lacks pip. '
            'On Debian and Ubuntu, install the package python3-venv.'
        )


def mmcv_wheel() -> Path:
    """The wheel of MMCV for this environment, from the cache or compiled into it."""
    found = json.loads(run(PYTHON, '-c', ASK_TORCH))
    version = re.search(r'^mmcv==(\S+)', CONSTRAINTS.read_text(), re.MULTILINE)[1]
    system = f'{sysconfig.get_platform()}-{"".join(platform.libc_ver())}'
    build = f'torch-{found["torch"]}-{sys.implementation.cache_tag}-{system}'
    shelf = CACHE / f'mmcv-{version}-{found["ops"]}-{build}'
    CACHE.mkdir(parents=True, exist_ok=True)
    with alone(CACHE / 'lock'):
        if not any(shelf.glob('*.whl')):
            for killed in CACHE.glob('building-*'):
                shutil.rmtree(killed)
            # Beside the shelf, so that a finished wheel gets there in one move.
            with tempfile.TemporaryDirectory(dir=CACHE, prefix='building-') as workspace:
                wheel = build_mmcv(Path(workspace), version, found['ops'])
                shelf.mkdir(exist_ok=True)
                wheel.replace(shelf / wheel.name)
    return next(shelf.glob('*.whl'))


def build_mmcv(workspace: Path, version: str, ops: str) -> Path:
    # CFLAGS replaces Python's own flags, NDEBUG among them; without it torch's headers check a lot.
    os.environ.update(MMCV_WITH_OPS='1', CFLAGS='-O2 -g0 -DNDEBUG -fwrapv')
    os.environ.setdefault('MAX_JOBS', str(jobs()))
    if ops == 'cpu':  # a GPU without a fitting toolkit would be tried, and fail
        os.environ.update(FORCE_CUDA='0', CUDA_VISIBLE_DEVICES='')
    compiler = json.loads(run(PYTHON, '-c', ASK_COMPILER))
    check_compiler(compiler[0])
    with step('MMCV, source'):
        pip('download', '--no-deps', '--no-build-isolation', '--no-binary=mmcv', '-d', workspace,
            f'mmcv=={version}')  # fmt: skip
        with tarfile.open(next(workspace.glob('*.tar.gz'))) as archive:
            archive.extractall(workspace)
    source = workspace / f'mmcv-{version}'
    script = source / 'setup.py'  # reads its version in a way that fails from Python 3.13 on
    script.write_text(script.read_text().replace("locals()['__version__']", repr(version)))
    if ops == 'cpu':
        with step('MMCV, precompiled header'):
            precompile_header(source, compiler)
    with step(f'MMCV, {ops} ops (once; minutes)'):
        pip('wheel', '--no-deps', '--no-build-isolation', '-w', workspace, source)
    return next(workspace.glob('*.whl'))


def jobs() -> int:
    """As many compilers at once as there are cores, and a GiB of memory for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    gib = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30
    return max(1, min(cores, gib))


def check_compiler(name: str) -> None:
    if shutil.which(name) is None:
        sys.exit(
            f'MMCV has to be compiled, but there is no C++ compiler {name!r}. Install one '
            '(on Debian and Ubuntu: g++), or set CXX.'
        )
    headers = Path(sysconfig.get_paths()['include'])
    if not (headers / 'Python.h').exists():
        sys.exit(
            f'MMCV has to be compiled, but there is no Python.h in {headers}. '
            'On Debian and Ubuntu, install the package python3-dev.'
        )


def precompile_header(source: Path, compiler: list) -> None:
    """Parse torch's headers once instead of 77 times. Only a speed-up: without it, all goes on."""
    header = source / 'mmcv/ops/csrc/common/pytorch_cpp_helper.hpp'
    out = header.with_suffix('.hpp.gch')
    command = [*compiler, '-x', 'c++-header', str(header), '-o', str(out)]
    with LOG.open('a') as log:
        if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
            out.unlink(missing_ok=True)
            return
    # Some files include torch before this header, which is too late for the precompiled one.
    os.environ['CFLAGS'] += f' -include {header.name}'


@contextlib.contextmanager
def alone(path: Path):
    """Hold a file's lock, so that of two set-ups at once the second waits for the first."""
    with path.open('a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('Waiting for another set-up to finish ...', flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
    """Output of a command; what it says goes to the log, whose end is shown if it fails."""
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
