"""A config file, as tools take it from the command line."""

import traceback
from pathlib import Path

from mmengine.config import Config

from alrp.text import describe_error, format_list


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
        last = traceback.extract_tb(error.__traceback__)[-1]
        of_a_config = last.name == '<module>'  # not of a library's function
        where = f' ({last.filename}, line {last.lineno})' if of_a_config else ''
        raise ConfigError(
            f'the config {path} cannot be read: {describe_error(error)}{where}'
        ) from error
    missing = [name for name in ('model', *needed) if not isinstance(cfg.get(name), dict)]
    if missing:
        raise ConfigError(
            f'{path} is not the config of a detector: it lacks {format_list(missing)}'
        )
    return cfg
