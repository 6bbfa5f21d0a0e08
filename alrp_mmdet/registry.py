"""A scope of this package's name below MMDetection's, so that its configs can be inherited.

MMEngine marks what comes from ``_base_ = 'alrp_mmdet::...'`` as of the scope ``alrp_mmdet``, and
builds it from registries of that scope. They are empty: what they do not have, they take from
MMDetection's, where everything of this package is registered.
"""

from mmdet import registry
from mmdet.utils import register_all_modules
from mmengine.registry import Registry

SCOPE = 'alrp_mmdet'

register_all_modules(init_default_scope=False)  # which a lookup from below does not do
for _parent in list(vars(registry).values()):
    if isinstance(_parent, Registry) and _parent.scope == 'mmdet' and SCOPE not in _parent.children:
        Registry(_parent.name, parent=_parent, scope=SCOPE, locations=[SCOPE])
