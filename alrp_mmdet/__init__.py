"""Object detectors trained by ranking: aLRP Loss and AP Loss for MMDetection 3.x.

Importing this package registers everything with MMDetection, so that a config needs only
``custom_imports = dict(imports=['alrp_mmdet'])``. Without MMDetection, ``alrp_mmdet.ranking`` can
still be used by itself.
"""

from importlib.util import find_spec

from .version import __version__

__all__ = ['__version__']

if find_spec('mmdet') is not None:
    from .compat import check_versions

    check_versions()

    from . import datasets, engine, models  # noqa: F401 - registers
