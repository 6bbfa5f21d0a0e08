"""Settings are followed through ``**kwargs`` where these go to a base class, and nowhere else."""

import functools

import pytest

from alrp_mmdet.config.signatures import keys_read, settings_of


class Base:
    def __init__(self, base, *, option=1):
        self.base, self.option = base, option


class Passes(Base):
    def __init__(self, own, **kwargs):
        super().__init__(**kwargs)


class PassesInOldStyle(Base):
    def __init__(self, own, *args, **options):
        super(PassesInOldStyle, self).__init__(*args, **options)  # noqa: UP008


class WithoutInit(Passes):
    pass


class Takes(Base):
    def __init__(self, **kwargs):
        if 'first' in kwargs:
            self.first = kwargs.pop('first')
        self.second, self.third = kwargs.get('second', 0), kwargs['third']
        super().__init__(**kwargs)


class Skips(Passes):
    def __init__(self, mine, **kwargs):
        super(Passes, self).__init__(**kwargs)


class HandsElsewhere(Base):
    def __init__(self, own, **kwargs):
        self.helper = dict(**kwargs)
        super().__init__(1, **kwargs)


class Swallows(Base):
    def __init__(self, own, **kwargs):
        super().__init__(own)


def renamed(function):
    @functools.wraps(function)
    def wrapper(self, *args, **kwargs):
        return function(self, *args, **kwargs)

    return wrapper


class Decorated(Base):
    @renamed
    def __init__(self, own):
        super().__init__(own)


class Stub:
    pass


class Mixed(Swallows, Passes):
    def __init__(self, last, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.parametrize(
    'kind, names, is_open',
    [
        (Base, {'base', 'option'}, False),
        (Passes, {'own', 'base', 'option'}, False),
        (PassesInOldStyle, {'own', 'base', 'option'}, False),
        (WithoutInit, {'own', 'base', 'option'}, False),
        (Takes, {'first', 'second', 'third', 'base', 'option'}, False),
        (Skips, {'mine'}, True),
        (HandsElsewhere, {'own'}, True),
        (Swallows, {'own'}, True),
        (Decorated, set(), True),
        (Stub, set(), True),
        (Mixed, {'last', 'own'}, True),
        (dict, set(), True),
        (lambda data, flag=True: None, {'data', 'flag'}, False),
        (lambda data, **rest: None, {'data'}, True),
    ],
)
def test_settings_of(kind, names, is_open):
    assert settings_of(kind) == (names, is_open)


def test_keys_read():
    def read(cfg, other):
        cfg['written'] = other.pop('of_another')
        return cfg.pop('popped'), cfg.get('got', 1), cfg['taken'], 'asked' in cfg

    names = {'popped', 'got', 'taken', 'asked', 'written'}
    assert keys_read(read, 'cfg') == (names, False)
    without_source = eval('lambda cfg: cfg["key"]')
    assert keys_read(without_source, 'cfg') == (set(), True)
