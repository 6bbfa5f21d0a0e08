"""Registries of the scope ``alrp_mmdet``, so that configs can inherit ``alrp_mmdet::...``.

MMEngine builds what is inherited from ``_base_ = 'alrp_mmdet::...'`` from registries of that scope.
They are empty children of MMDetection's registries, which have everything of this package.
"""

from mmdet import registry
from mmdet.utils import register_all_modules
from mmengine.registry import Registry

SCOPE = 'alrp_mmdet'

register_all_modules(init_default_scope=False)  # a lookup from a child registry does not do it
REGISTRIES = [x for x in vars(registry).values() if isinstance(x, Registry) and x.scope == 'mmdet']
for _parent in REGISTRIES:
    if SCOPE not in _parent.children:
        Registry(_parent.name, parent=_parent, scope=SCOPE, locations=[SCOPE])
