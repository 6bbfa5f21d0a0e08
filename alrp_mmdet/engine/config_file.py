"""A config file, as tools take it from the command line."""

from pathlib import Path

from mmengine.config import Config

from ..datasets.annotation_file import few


class ConfigError(ValueError):
    """A file is not the config that is needed."""


def read_config(path: str | Path, *needed: str) -> Config:
    """The config in a file, which is Python and is run.

    Args:
        path (str | Path): The file.
        *needed (str): Settings that it must have, beside ``model``.

    Returns:
        Config: The config.

    Raises:
        ConfigError: If there is no such file, or if it is not the config of a detector.
    """
    if not Path(path).is_file():
        raise ConfigError(f'there is no config {path}')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # whatever running the file may raise
        raise ConfigError(f'the config {path} cannot be read: {told(error)}') from error
    missing = [name for name in ('model', *needed) if not isinstance(cfg.get(name), dict)]
    if missing:
        raise ConfigError(f'{path} is not the config of a detector: it lacks {few(missing)}')
    return cfg


def told(error: Exception) -> str:
    """An error in a line, with its type."""
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0]}' if lines else type(error).__name__
