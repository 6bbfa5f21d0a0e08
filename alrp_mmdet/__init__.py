"""Object detectors trained by ranking: aLRP Loss and AP Loss for MMDetection 3.x.

Importing this package registers everything with MMDetection, so that a config needs only
``custom_imports = dict(imports=['alrp_mmdet'])``. The losses and LRP
themselves are in ``alrp``, which needs no MMDetection.
"""

from importlib.util import find_spec

from alrp.version import __version__

__all__ = ['__version__']

if find_spec('mmdet') is not None:
    from .compat import check_versions

    check_versions()

    from mmengine.config.utils import MODULE2PACKAGE

    from . import datasets, evaluation, hooks, models, registry  # noqa: F401 - registers

    # Lets configs inherit from 'alrp_mmdet::...'. MMEngine looks for a distribution of the given
    # name, which misleads it in an editable install, and only then for a module, which does not.
    MODULE2PACKAGE.setdefault(__name__, f'{__name__}.compat')
