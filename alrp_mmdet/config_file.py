"""Reads the config file that a tool gets on its command line."""

import traceback
from pathlib import Path

from mmengine.config import Config

from alrp.text import describe_error, format_list

from .config_types import normalise_types


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
        ConfigError: If the file does not exist, does not run, or lacks a required setting.
    """
    if not Path(path).is_file():
        raise ConfigError(f'there is no config {path}')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # the file may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        in_config = last.name == '<module>'  # rather than in a function of a library
        where = f' ({last.filename}, line {last.lineno})' if in_config else ''
        raise ConfigError(
            f'the config {path} cannot be read: {describe_error(error)}{where}'
        ) from error
    missing = [name for name in ('model', *required) if not isinstance(cfg.get(name), dict)]
    if missing:
        raise ConfigError(
            f'{path} is not the config of a detector: it has no {format_list(missing)}'
        )
    return normalise_types(cfg)
