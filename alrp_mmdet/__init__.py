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

    from mmengine.config.utils import MODULE2PACKAGE

    from . import datasets, engine, models, registry  # noqa: F401 - registers
    from .evaluation import coco_lrp_metric  # noqa: F401 - registers

    # Lets configs inherit from 'alrp_mmdet::...'. MMEngine looks for a distribution of the given
    # name, which misleads it in an editable install, and only then for a module, which does not.
    MODULE2PACKAGE.setdefault(__name__, f'{__name__}.version')
