"""Object detectors trained by ranking: aLRP Loss and AP Loss for MMDetection 3.x.

Importing this package registers everything with MMDetection, so that a config needs only
``custom_imports = dict(imports=['alrp_mmdet'])``. It also makes MMEngine load checkpoints without
running code in them. The losses and LRP are in ``alrp``, which does not need MMDetection.
"""

from importlib.util import find_spec

from alrp.version import __version__

__all__ = ['__version__']

if find_spec('mmdet') is not None:
    from .compat import check_versions

    check_versions()

    from mmengine.config.utils import MODULE2PACKAGE

    from . import datasets, evaluation, hooks, models, registry  # noqa: F401 - registers
    from .transfer.safe_loading import install_safe_loading

    install_safe_loading()

    # Lets configs inherit from 'alrp_mmdet::...'. MMEngine first looks for a distribution of that
    # name, whose files it does not find in an editable install, and then for a module.
    MODULE2PACKAGE.setdefault(__name__, f'{__name__}.compat')
