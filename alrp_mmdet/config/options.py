"""Names at the top level of a config, and the options that change it on the command line."""

import argparse
import inspect
import re
from difflib import get_close_matches

from mmengine.config import Config, DictAction
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

from alrp.text import describe_error, did_you_mean, format_list

from .file import ConfigError
from .nodes import dicts
from .types import normalise_types

# What MMEngine's runner, MMDetection's and our tools read.
KNOWN = frozenset(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | {
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'drop_degenerate_boxes',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'micro_batch_size',
    'model_wrapper_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
}
# Similarity of names of which one is misspelt. That of test_pipeline and tta_pipeline is 0.88.
NEAR = 0.89
IN_FILE = '. If code of yours reads it, define it in the config file first'


class CfgOptions(DictAction):
    """MMEngine's ``--cfg-options``, with a message for an option that is not ``KEY=VALUE``."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for text in values:
            if '=' not in text:
                raise argparse.ArgumentError(self, f'expected KEY=VALUE, got {text!r}')
        super().__call__(parser, namespace, values, option_string)


def apply_options(cfg: Config, options: dict) -> list[str]:
    """Change a config by the options of a command line.

    Args:
        cfg (Config): The config, which is changed in place.
        options (dict): Values, by keys that are joined by dots.

    Returns:
        list[str]: Warnings.

    Raises:
        ConfigError: If an option has no effect, because its first key is neither in the config nor
            known to a tool, or is a variable from which settings were made that differ from it; or
            if it cannot be merged.
    """
    tops = dict.fromkeys(key.split('.')[0] for key in options)
    for top in tops:
        if top not in KNOWN and top not in cfg:
            hint = _instead(_settings(cfg, top)) or did_you_mean(top, KNOWN | set(cfg)) or IN_FILE
            raise ConfigError(f'--cfg-options sets {top}, but the config has no such key{hint}')
    try:
        cfg.merge_from_dict(options)
        if 'custom_imports' in tops:  # those of the file were imported when it was read
            import_modules_from_strings(**cfg.custom_imports)
    except (AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'--cfg-options cannot set {format_list(options)}: {describe_error(error)}'
        ) from error
    normalise_types(cfg)
    variables = [top for top in tops if top not in KNOWN]
    for name in variables:
        unchanged = [x for x in _settings(cfg, name) if name in options and x[1] != options[name]]
        if unchanged:
            text = f'--cfg-options sets {name}, a variable, which changes no setting'
            raise ConfigError(
                f'{text + _instead(unchanged)}, or change {name} in the config file, where other '
                'settings may be made from it, too'
            )
    return [
        f'{name} is a variable of the config: settings that were made from it keep their values'
        for name in variables
    ]


def _settings(cfg: Config, name: str) -> list[tuple[str, object]]:
    """All settings of this name, with their places."""
    return [
        (f'{place}.{name}', dict.get(node, name))
        for key in sorted(KNOWN)
        for place, node in dicts(cfg._cfg_dict.get(key), key)
        if name in node
    ]


def _instead(settings: list[tuple[str, object]]) -> str:
    return f': set {format_list([x[0] for x in settings], 3)} instead' if settings else ''


def check_names(cfg: Config) -> None:
    """Check the names at the top level.

    Raises:
        ConfigError: If no tool reads a part of the config because its name looks misspelt.
    """
    for name, value in cfg._cfg_dict.items():
        near = [] if name in KNOWN else get_close_matches(name, KNOWN, 1, NEAR)
        is_numbered = bool(near) and re.match(rf'{near[0]}[_\d]', name)  # a variable
        if near and not is_numbered and isinstance(value, dict | list | tuple):
            raise ConfigError(
                f'nothing reads {name} of the config: did you mean {near[0]!r}? If it is a '
                'variable of yours, give it another name'
            )
