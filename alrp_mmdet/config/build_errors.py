"""Explains why something cannot be built from a config."""

import inspect
import re
import traceback
from pathlib import Path

from mmengine.runner import Runner

import alrp
from alrp.text import describe_error

from .file import MIGRATION

# Types that MMDetection 3 does not have.
OF_VERSION_2 = (
    'Collect',
    'DefaultFormatBundle',
    'ImageToTensor',
    'MultiScaleFlipAug',
    'EpochBasedRunner',
    'IterBasedRunner',
    'TextLoggerHook',
    'Fp16OptimizerHook',
)
OUR_FOLDERS = Path(alrp.__file__).parent, Path(__file__).parents[1]


def explain_build_error(error: Exception) -> str | None:
    """One line for an error that is due to the config; None for others, which are defects.

    Args:
        error (Exception): Raised while something was built from a config.

    Returns:
        str | None: The line, for a type that no registry knows, a part without a type, a setting
            that a class does not take or one of ours refuses, and a package that is not installed.
    """
    text = str(error.args[0]) if error.args else ''
    frames = traceback.extract_tb(error.__traceback__)
    is_built = any(frame.name == 'build_from_cfg' for frame in frames)
    if isinstance(error, ImportError):  # such as a package that a vis_backend needs
        return f'cannot import something that the config needs: {describe_error(error)}'
    if isinstance(error, KeyError):
        return _explain_type(text)
    if isinstance(error, TypeError):
        is_wrong = re.search(r'\w\(\) (got an unexpected|missing|takes no arguments$)', text)
        by_runner = Path(frames[-1].filename) == Path(inspect.getfile(Runner))
        if is_wrong and (is_built or by_runner):
            return f'a setting of the config is wrong: {describe_error(error)}'
    if isinstance(error, ValueError) and is_built:
        raised_in = Path(frames[-1].filename)
        return text if any(folder in raised_in.parents for folder in OUR_FOLDERS) else None
    return None


def _explain_type(text: str) -> str | None:
    if 'must contain the key "type"' in text:
        part = re.search(r'but got (.*)', text)
        return f'a part of the config has no type: {part[1] if part else text}'
    found = re.search(r'(\S+) is not in the (?:\S+::)?([\w ]+) registry', text)
    if found is None:
        return None
    unknown = f'the config names {found[1]!r}, but there is no {found[2]} of this name'
    if found[1] in OF_VERSION_2:
        return f'{unknown}: it is of MMDetection 2.x. {MIGRATION}'
    return (
        f'{unknown}. Check the spelling; if it is in a module of yours, add the module to '
        'custom_imports = dict(imports=[...])'
    )
