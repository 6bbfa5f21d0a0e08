"""Object detectors trained by ranking: AP, aLRP and RS Loss for MMDetection 3.x.

Importing this package registers everything with MMDetection, so that a config needs only
``custom_imports = dict(imports=['alrp_mmdet'])``. It also makes MMEngine load checkpoints without
running code in them, and minimise LRP. The losses and LRP are in ``alrp``, which does not need
MMDetection.
"""

from alrp.version import __version__

from .compat import check_versions

check_versions()

from mmengine.config.utils import MODULE2PACKAGE

from . import datasets, evaluation, hooks, models, registry  # noqa: F401 - registers
from .hooks.metric_rules import install_metric_rules
from .transfer.safe_loading import install_safe_loading

__all__ = ['__version__']

install_safe_loading()
install_metric_rules()

# Lets configs inherit from 'alrp_mmdet::...'. MMEngine first looks for a distribution of that name,
# whose files it does not find in an editable install, and then for a module.
MODULE2PACKAGE.setdefault(__name__, f'{__name__}.compat')
