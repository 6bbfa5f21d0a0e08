"""Which settings a class or function takes, also those that it passes on to its base classes."""

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import NamedTuple

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

# ``**kwargs`` of a class that are for a later call of a function.
PASSED_ON = {CheckpointHook: Runner.save_checkpoint}
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Settings(NamedTuple):
    """Names of settings, and whether others may be taken, too."""

    names: frozenset[str]
    is_open: bool = False

    def __or__(self, other: 'Settings') -> 'Settings':
        return Settings(self.names | other.names, self.is_open or other.is_open)


@functools.cache
def settings_of(kind: type | Callable) -> Settings:
    """The settings of a class or function.

    ``**kwargs`` are followed to the base classes if ``__init__`` only hands them to
    ``super().__init__``, or takes settings from them by name. Otherwise, nobody can tell what they
    are for, and the settings are open.
    """
    if not isinstance(kind, type):
        own, rest = _parameters(kind)
        return Settings(own, rest is not None)
    known = Settings(frozenset(), kind.__new__ is not object.__new__)
    for owner in kind.__mro__[:-1]:
        if owner in PASSED_ON:
            return known | Settings(_parameters(owner.__init__)[0]) | settings_of(PASSED_ON[owner])
        init = vars(owner).get('__init__')
        if init is None:
            continue
        if not isinstance(init, FunctionType) or hasattr(init, '__wrapped__'):
            return known | Settings(frozenset(), True)  # a decorator may rename settings
        own, rest = _parameters(init)
        known |= Settings(own)
        if rest is None:
            return known
        known |= _taken_before_super(init, rest, owner)
        if known.is_open:
            return known
    return known | Settings(frozenset(), True)  # such as a stub of a class that is not installed


@functools.cache
def keys_read(function: Callable, name: str) -> Settings:
    """The keys that a function reads by name from its dict ``name``; open if it has no source."""
    uses = _uses(function, name)
    return Settings(frozenset(filter(None, map(_key_read, uses))), is_open=not uses)


def modules_of(kind: type | Callable) -> set[str]:
    """Names of the modules that define a class and its base classes, or a function."""
    return {owner.__module__ for owner in getattr(kind, '__mro__', [kind])} - {'builtins'}


def source_of(module: str) -> str:
    """The text of an imported module; empty if there is none."""
    try:
        return inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):  # in C, or without a file
        return ''


def _parameters(function: Callable) -> tuple[frozenset[str], str | None]:
    """Names of the parameters, and of ``**kwargs`` if there are any."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of a function in C
        return frozenset(), 'kwargs'
    rest = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
    named = {p.name for p in parameters if p.kind in NAMED}
    return frozenset(named - {'self'}), rest[0] if rest else None


def _taken_before_super(init: FunctionType, rest: str, owner: type) -> Settings:
    """What ``__init__`` takes out of ``**rest``; open unless it passes all others to super."""
    uses = _uses(init, rest)
    others = [chain for chain in uses if not _is_passed_to_super(chain, owner.__name__)]
    keys = [_key_read(chain) for chain in others]
    return Settings(frozenset(filter(None, keys)), None in keys or len(others) == len(uses))


def _uses(function: Callable, name: str) -> list[list[ast.AST]]:
    """The nodes around each use of a variable, from the innermost outwards."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source
        return []
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    uses = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            chain: list[ast.AST] = [node]
            while chain[-1] in parents and len(chain) < 3:
                chain.append(parents[chain[-1]])
            uses.append(chain)
    return uses


def _is_passed_to_super(chain: list[ast.AST], owner: str) -> bool:
    """Whether a use is ``super().__init__(**name)`` or the same with ``super(owner, self)``."""
    match chain:
        case [_, ast.keyword(arg=None), ast.Call(func=ast.Attribute(call, '__init__'))]:
            match call:
                case ast.Call(ast.Name('super'), [] | [ast.Name(_), ast.Name(_)] as args):
                    return not args or args[0].id == owner  # another class would skip some
    return False


def _key_read(chain: list[ast.AST]) -> str | None:
    """The key in ``name.get('key')``, ``name.pop('key')``, ``name['key']`` or ``'key' in name``."""
    match chain:
        case [_, ast.Attribute(attr='get' | 'pop'), ast.Call(args=[ast.Constant(str(key)), *_])]:
            return key
        case [_, ast.Subscript(slice=ast.Constant(str(key))), *_]:
            return key
        case [_, ast.Compare(left=ast.Constant(str(key)), ops=[ast.In() | ast.NotIn()]), *_]:
            return key
    return None
