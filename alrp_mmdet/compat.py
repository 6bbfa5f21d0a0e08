"""Says which versions are needed, beside versions that are known not to work."""

import runpy
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

STACK = ('torch', 'mmengine', 'mmcv', 'mmdet')


def check_versions() -> None:
    """Look at what is installed, before MMDetection is imported.

    Raises:
        ImportError: If the versions do not go together; says what is installed and what is needed.
    """
    installed = {name: _version(name) for name in STACK}
    problems = problems_of(installed, has_ops=_has_ops())
    if problems:
        found = ', '.join(f'{name} {v or "not found"}' for name, v in installed.items())
        raise ImportError(
            f'alrp_mmdet cannot run here: {"; ".join(problems)}. Installed: {found}. '
            'Beside torch>=2.6 and setuptools<81, this puts it right: MMCV_WITH_OPS=1 pip install '
            '--no-build-isolation "mmengine>=0.10,<1" "mmcv>=2.0.0,<2.2" "mmdet>=3.0,<3.4"'
        )


def problems_of(installed: dict[str, str | None], has_ops: bool) -> list[str]:
    """What is wrong with a combination of versions.

    Args:
        installed (dict[str, str | None]): Version by the name under which it is imported; None if
            it is not installed.
        has_ops (bool): Whether MMCV has its compiled ops.

    Returns:
        list[str]: One clause for each problem.
    """
    bounds = dict(
        torch=('2.6', '3'), mmengine=('0.10', '1'), mmcv=('2.0.0', '3'), mmdet=('3.0', '4')
    )
    if installed['mmdet'] and Version(installed['mmdet']) < Version('3.4'):
        bounds['mmcv'] = ('2.0.0', '2.2')  # what these releases insist on; maintained forks do not
    problems = []
    for name, (least, below) in bounds.items():
        found = installed[name]  # vendors' builds of torch call themselves pre-releases
        if found is None:
            problems.append(f'{name} is not installed')
        elif not Version(least) <= Version(Version(found).base_version) < Version(below):
            problems.append(f'{name} is {found}, but must be at least {least} and below {below}')
    if installed['mmcv'] and not has_ops:
        problems.append('mmcv lacks its compiled ops (as mmcv-lite does)')
    return problems


def _version(name: str) -> str | None:
    """Read without importing, and whatever the distribution is called: forks rename theirs."""
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
