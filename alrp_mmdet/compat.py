"""Says which versions are needed, beside versions that are known not to work."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from packaging.version import Version

NEEDED = 'mmdet>=3.0,<3.4, mmcv>=2.0.0,<2.2 (with its compiled ops) and mmengine>=0.10,<1'


def check_versions() -> None:
    """Look at what is installed, before MMDetection is imported.

    The distributions are asked by name. A maintained fork under other names (such as
    onedl-mmdetection) brings its own combination of versions and is not judged by these.

    Raises:
        ImportError: If the versions do not go together; says what is installed and what is needed.
    """
    installed = {name: _version(name) for name in ('torch', 'mmdet', 'mmcv', 'mmengine')}
    problems = problems_of(installed, has_ops=_has_ops())
    if problems:
        found = ', '.join(f'{name} {v or "not found"}' for name, v in installed.items())
        raise ImportError(
            f'alrp_mmdet cannot run here: {"; ".join(problems)}. Needed are torch>=2.4, {NEEDED}; '
            f'installed are {found}. `pip install -U openmim` and `mim install "mmcv>=2.0.0,<2.2" '
            '"mmdet>=3.0,<3.4"` put them right.'
        )


def problems_of(installed: dict[str, str | None], has_ops: bool) -> list[str]:
    """What is wrong with a combination of versions.

    Args:
        installed (dict[str, str | None]): Version by distribution; None if it is not installed
            under this name.
        has_ops (bool): Whether MMCV has its compiled ops.

    Returns:
        list[str]: One clause for each problem.
    """
    problems = []
    bounds = dict(mmengine=('0.10', '1'))
    if installed['mmdet'] is not None:  # the official release, which dictates the others
        bounds.update(mmdet=('3.0.0', '3.4'), mmcv=('2.0.0', '2.2'))
    bounds.update(torch=('2.4', '3'))
    for name, (least, below) in bounds.items():
        found = installed[name]
        if found is not None and not Version(least) <= Version(found) < Version(below):
            problems.append(f'{name} is {found}, but must be at least {least} and below {below}')
    if not has_ops:
        problems.append('mmcv is missing, or lacks its compiled ops as mmcv-lite does')
    return problems


def _has_ops() -> bool:
    return find_spec('mmcv') is not None and find_spec('mmcv._ext') is not None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
