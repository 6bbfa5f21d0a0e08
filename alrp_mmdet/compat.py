"""Check the versions of PyTorch and the OpenMMLab packages before importing them."""

import runpy
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmdet')


def check_versions() -> None:
    """Check the installed versions without importing MMDetection.

    Raises:
        ImportError: If a package is missing or has an unsupported version. The message lists what
            is installed and how to install supported versions.
    """
    installed = {name: _version(name) for name in PACKAGES}
    problems = version_problems(installed, has_ops=_has_ops())
    if problems:
        found = ', '.join(f'{name} {v or "not found"}' for name, v in installed.items())
        raise ImportError(
            f'alrp_mmdet does not support this environment: {"; ".join(problems)}. Installed: '
            f'{found}. Install torch>=2.6 and "setuptools<81", then: MMCV_WITH_OPS=1 pip install '
            '--no-build-isolation "mmengine>=0.10,<1" "mmcv>=2.0.0,<2.2" "mmdet>=3.0,<3.4". Or the '
            'maintained forks: MMCV_WITH_OPS=1 pip install --no-build-isolation onedl-mmengine '
            'onedl-mmcv onedl-mmdetection'
        )


def version_problems(installed: dict[str, str | None], has_ops: bool) -> list[str]:
    """List the problems of a combination of versions.

    Args:
        installed (dict[str, str | None]): Version by import name; None if not installed.
        has_ops (bool): Whether MMCV has its compiled ops.

    Returns:
        list[str]: One clause per problem.
    """
    bounds = dict(
        torch=('2.6', '3'), mmengine=('0.10', '1'), mmcv=('2.0.0', '3'), mmdet=('3.0', '4')
    )
    if installed['mmdet'] and Version(installed['mmdet']) < Version('3.4'):
        bounds['mmcv'] = ('2.0.0', '2.2')  # MMDetection 3.3 requires it; its forks do not
    problems = []
    for name, (minimum, below) in bounds.items():
        found = installed[name]
        if found is None:
            problems.append(f'{name} is not installed')
        # base_version: some vendors number their builds of torch as pre-releases
        elif not Version(minimum) <= Version(Version(found).base_version) < Version(below):
            problems.append(f'{name} is {found}, but must be >={minimum},<{below}')
    if installed['mmcv'] and not has_ops:
        problems.append('mmcv lacks its compiled ops, as mmcv-lite does')
    return problems


def _version(name: str) -> str | None:
    """Read the version from the package's files: forks have other names on PyPI."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return str(runpy.run_path(Path(spec.origin).with_name('version.py'))['__version__'])


def _has_ops() -> bool:
    spec = find_spec('mmcv')
    return (
        spec is not None
        and PathFinder.find_spec('_ext', spec.submodule_search_locations) is not None
    )
