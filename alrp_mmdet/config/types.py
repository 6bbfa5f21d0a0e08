"""Types in a config: names, scoped names, import paths and classes.

MMDetection builds from all of them, but parts of it, and our tools, compare names.
"""

import functools
import importlib
from collections.abc import Callable, Iterator

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry

from ..registry import REGISTRIES, SCOPE

SCOPES = (None, 'mmdet', SCOPE)  # in which a plain name is looked up in MMDetection's registries
STACK = ('mmdet', 'mmcv', 'mmengine', 'torch')  # registered without custom_imports
NMS = importlib.import_module('mmcv.ops.nms')

Type = str | type | Callable | LazyObject | LazyAttr


def normalise_types(cfg: Config) -> Config:
    """Replace types by the plain names under which MMDetection finds them.

    ``mmdet.models.RetinaNet`` as a class, as an import path (in configs that were dumped from
    new-style ones) and ``'mmdet.RetinaNet'`` become ``'RetinaNet'``. Types without such a name stay
    as they are, and so does a config of another ``default_scope``.

    Args:
        cfg (Config): The config, which is changed in place. ``default_scope`` becomes ``'mmdet'``
            if it is not set, and ``custom_imports`` names the modules of other packages.

    Returns:
        Config: The same config.
    """
    if cfg.get('default_scope') not in SCOPES:
        return cfg
    modules = set()
    for node in typed_nodes(cfg._cfg_dict):
        found = _find(dict.get(node, 'type'))
        name = None if found is None else _name_of(found)
        if name is not None and node['type'] != name:
            node['type'] = name
            modules.add(found.__module__)
    cfg.default_scope = cfg.get('default_scope') or 'mmdet'
    _add_imports(cfg, modules)
    return cfg


def _add_imports(cfg: Config, modules: set[str]) -> None:
    """Import the modules of other packages, which the config imported by naming their classes."""
    ours = {SCOPE if name.split('.')[0] == SCOPE else name for name in modules}
    custom = dict(cfg.get('custom_imports') or {})
    known = custom.get('imports') or []
    known = [known] if isinstance(known, str) else list(known)
    new = [name for name in sorted(ours - {*known}) if name.split('.')[0] not in STACK]
    if new:
        custom.setdefault('allow_failed_imports', False)
        cfg.custom_imports = {**custom, 'imports': [*known, *new]}


def is_known_code(kind: type | Callable) -> bool:
    """Whether a class or function is MMDetection's or ours, not the user's."""
    return kind.__module__.split('.')[0] in ('mmdet', SCOPE)


def type_name(cfg: dict) -> str:
    """Name of a config's type, without a scope; empty if it has none."""
    kind = cfg.get('type', '')
    return kind.split('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', str(kind))


def resolve_type(cfg: dict, where: Registry) -> type | None:
    """Class of a config's type, or None if it has none or the registry does not know it."""
    kind = cfg.get('type')
    return where.get(kind) if isinstance(kind, str) else kind


def typed_nodes(node: object) -> Iterator[dict]:
    """All dicts with a type that are looked up in MMDetection's registries."""
    if isinstance(node, list | tuple):
        for child in node:
            yield from typed_nodes(child)
    elif isinstance(node, dict) and dict.get(node, '_scope_') in SCOPES:
        if 'type' in node:
            yield node
        for child in list(dict.values(node)):  # values of a ConfigDict would import classes
            yield from typed_nodes(child)


def _find(kind: Type | None) -> type | Callable | None:
    """The class or function of a type, unless it is a plain name."""
    if isinstance(kind, LazyObject | LazyAttr):
        kind = kind.build()
    if isinstance(kind, str):
        return _find_text(kind) if '.' in kind else None
    return kind if callable(kind) else None


@functools.cache
def _find_text(text: str) -> type | Callable | None:
    scope, _, name = text.partition('.')
    found = [where.get(text) for where in REGISTRIES]
    if scope in SCOPES:  # MMEngine does not look up 'mmdet.LoadImageFromFile', which MMCV has
        found += [where.get(name) for where in REGISTRIES]
    return next((kind for kind in found if callable(kind)), None)


@functools.cache
def _name_of(kind: type | Callable) -> str | None:
    """The name under which a registry finds a class or function, or None."""
    name = getattr(kind, '__name__', None)
    if getattr(NMS, str(name), None) is kind:  # MMCV looks up its types of NMS in this module
        return name
    for where in REGISTRIES:
        chain = (where, where.parent) if where.parent else (where,)
        names = [
            name,
            *(key for r in chain for key, value in r.module_dict.items() if value is kind),
        ]
        for known in filter(None, names):
            if where.get(known) is kind:
                return known
    return None
