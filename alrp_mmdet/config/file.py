"""Reads the config file that a tool gets on its command line."""

import re
import traceback
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config

from alrp.files import files_beside
from alrp.text import describe_error, format_list

from .types import normalise_types

# Top-level settings of a config.
VERSION_2 = (
    'data',
    'optimizer',
    'lr_config',
    'runner',
    'total_epochs',
    'optimizer_config',
    'evaluation',
    'checkpoint_config',
    'log_config',
)
VERSION_3 = (
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'optim_wrapper',
    'param_scheduler',
    'val_evaluator',
    'test_evaluator',
    'default_hooks',
)
MIGRATION = (
    'MMDetection 3 cannot read it. See docs/migration.md and '
    'https://mmdetection.readthedocs.io/en/latest/migration/migration.html'
)


class ConfigError(ValueError):
    """The config cannot be read, lacks settings, or names something that cannot be imported."""


def read_config(path: str | Path, *required: str) -> Config:
    """Read a config. Note that this runs the file, which is Python code.

    Args:
        path (str | Path): The file.
        *required (str): Settings that it must have besides ``model``.

    Returns:
        Config: The config, with plain names as types (``normalise_types``).

    Raises:
        ConfigError: If the file does not exist, does not run, is for MMDetection 2.x, or lacks a
            required setting.
    """
    if not Path(path).is_file():
        raise ConfigError(f'there is no config {path}{files_beside(path, ".py")}')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # the file may raise anything
        old = _settings_of_version_2(re.findall(r'^(\w+)\s*=', _text(path), re.MULTILINE))
        last = traceback.extract_tb(error.__traceback__)[-1]
        in_config = last.name == '<module>'  # rather than in a function of a library
        where = f' ({last.filename}, line {last.lineno})' if in_config else ''
        raise ConfigError(
            f'the config {path} cannot be read: {describe_error(error)}{where}'
            + (f'. It {_advice(old)}' if old else '')
        ) from error
    old = _settings_of_version_2(cfg)
    if old:
        raise ConfigError(f'the config {path} {_advice(old)}')
    missing = [name for name in ('model', *required) if not isinstance(cfg.get(name), dict)]
    if missing:
        raise ConfigError(
            f'{path} is not the config of a detector: it has no {format_list(missing)}'
        )
    return normalise_types(cfg)


def _text(path: str | Path) -> str:
    return Path(path).read_text(encoding='utf-8', errors='replace')


def _settings_of_version_2(names: Iterable[str]) -> list[str]:
    """The settings that mark a config of MMDetection 2.x; none if it has their successors."""
    names = dict.fromkeys(names)
    found = [name for name in VERSION_2 if name in names]
    # A single one may be a variable of a config of MMDetection 3, such as optimizer.
    few = len(found) < 2 or not names.keys().isdisjoint(VERSION_3)
    return [] if few else found


def _advice(settings: list[str]) -> str:
    return f'is for MMDetection 2.x (it sets {format_list(settings, 3)}). {MIGRATION}'
