"""Compile MMCV once and cache its wheel outside the checkout. Standard library only.

PyPI has no binary wheels of MMCV. The folder of a cached wheel is named after what the wheel
depends on: the MMCV distribution and version, torch build, Python and platform.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path
from platform import libc_ver

from environment import Environment, locked, step

CACHE = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'alrp_mmdet'

# The environment's Python runs this: which torch build, and which ops can be compiled for it.
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

# The same: the exact command with which setuptools and torch compile a C++ file of an extension.
# The compiler uses a precompiled header only with the flags that the header was compiled with.
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


def mmcv_wheel(env: Environment, distribution: str) -> Path:
    """The MMCV wheel for an environment, from the cache or compiled into it.

    Args:
        env (Environment): The environment, with torch installed.
        distribution (str): Name of MMCV on PyPI. Its version comes from the constraints.
    """
    found = json.loads(env.run(env.python, '-c', ASK_TORCH))
    pin = re.search(rf'^{distribution}==(\S+)', env.constraints.read_text(), re.MULTILINE)
    system = f'{sysconfig.get_platform()}-{"".join(libc_ver())}'
    build = f'torch-{found["torch"]}-{sys.implementation.cache_tag}-{system}'
    folder = CACHE / f'{distribution}-{pin[1]}-{found["ops"]}-{build}'
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / 'lock'):
        if not any(folder.glob('*.whl')):
            for killed in CACHE.glob('building-*'):
                shutil.rmtree(killed)
            # In the cache, so that moving the finished wheel is one atomic rename.
            with tempfile.TemporaryDirectory(dir=CACHE, prefix='building-') as workspace:
                wheel = _build(env, Path(workspace), distribution, pin[1], found['ops'])
                folder.mkdir(exist_ok=True)
                wheel.replace(folder / wheel.name)
    return next(folder.glob('*.whl'))


def _build(env: Environment, workspace: Path, distribution: str, version: str, ops: str) -> Path:
    # CFLAGS replaces Python's own flags, including NDEBUG. Without NDEBUG, torch's headers add
    # many checks.
    os.environ.update(MMCV_WITH_OPS='1', CFLAGS='-O2 -g0 -DNDEBUG -fwrapv')
    os.environ.setdefault('MAX_JOBS', str(_jobs()))
    if ops == 'cpu':  # MMCV would try to compile for a GPU even without a suitable toolkit
        os.environ.update(FORCE_CUDA='0', CUDA_VISIBLE_DEVICES='')
    compiler = json.loads(env.run(env.python, '-c', ASK_COMPILER))
    _check_compiler(compiler[0])
    with step('MMCV source'):
        env.pip('download', '--no-deps', '--no-build-isolation', f'--no-binary={distribution}',
                '-d', workspace, f'{distribution}=={version}')  # fmt: skip
        with tarfile.open(next(workspace.glob('*.tar.gz'))) as archive:
            archive.extractall(workspace)
    source = next(path for path in workspace.iterdir() if path.is_dir())
    script = source / 'setup.py'  # MMCV 2.1 reads its version in a way that fails on Python 3.13
    script.write_text(script.read_text().replace("locals()['__version__']", repr(version)))
    if ops == 'cpu':
        with step('MMCV precompiled header'):
            _precompile_header(env, source, compiler)
    with step(f'MMCV {ops} ops (once; minutes)'):
        env.pip('wheel', '--no-deps', '--no-build-isolation', '-w', workspace, source)
    return next(workspace.glob('*.whl'))


def _jobs() -> int:
    """One compiler process per core, if there is 1 GiB of memory for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    gib = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30
    return max(1, min(cores, gib))


def _check_compiler(name: str) -> None:
    if shutil.which(name) is None:
        sys.exit(
            f'Compiling MMCV needs a C++ compiler, but {name!r} was not found. Install one '
            '(on Debian and Ubuntu: g++), or set CXX.'
        )
    headers = Path(sysconfig.get_paths()['include'])
    if not (headers / 'Python.h').exists():
        sys.exit(
            f'Compiling MMCV needs Python.h, which is not in {headers}. '
            'On Debian and Ubuntu, install the package python3-dev.'
        )


def _precompile_header(env: Environment, source: Path, compiler: list) -> None:
    """Parse torch's headers once instead of 77 times. If this fails, the build is only slower."""
    header = source / 'mmcv/ops/csrc/common/pytorch_cpp_helper.hpp'
    out = header.with_suffix('.hpp.gch')
    command = [*compiler, '-x', 'c++-header', str(header), '-o', str(out)]
    with env.log.open('a') as log:
        if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
            out.unlink(missing_ok=True)
            return
    # Some files include torch before this header, too late for the precompiled one.
    os.environ['CFLAGS'] += f' -include {header.name}'
