"""What tools/train.py and tools/test.py share."""

import argparse
import contextlib
import os
import sys
import warnings
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from alrp.text import describe_error

from .config_file import ConfigError, read_config
from .datasets.check import AnnotationError, check_datasets
from .deploy.thresholds import ThresholdsError
from .hooks import FineTuneHook
from .transfer.safe_loading import CheckpointError

# MMEngine's, once for each file that a config inherits as 'alrp_mmdet::...'.
warnings.filterwarnings('ignore', 'pkg_resources is deprecated', UserWarning)


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that all tools have, spelled as MMDetection spells them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings of the config, as in model.bbox_head.num_classes=3 '
        'key="[a,b]"; quotation marks needed, white space not allowed',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """The config of the command line, with its overrides.

    Without ``--work-dir`` and ``work_dir``, it is named after the config, in ``./work_dirs``.
    """
    with clear_errors():
        cfg = read_config(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def build_runner(cfg: Config, args: argparse.Namespace, splits: tuple[str, ...]) -> Runner:
    """Check the data of a config and build its runner, which checks what it loads.

    Args:
        cfg (Config): The config.
        args (argparse.Namespace): The command line, parsed.
        splits (tuple[str, ...]): What is going to be used, of ``train``, ``val`` and ``test``.

    Returns:
        Runner: The runner.

    Raises:
        AnnotationError: If the data of these splits cannot be used.
        ConfigError: If something that the config names needs a package that is not there.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.launcher == 'pytorch' and not torch.cuda.is_available():
        _distribute_on_cpu(cfg)
    check_datasets(cfg, splits)
    try:
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    except ImportError as error:  # such as of a package that a vis_backend needs
        raise ConfigError(
            f'something that {args.config} names cannot be imported: {describe_error(error)}'
        ) from error
    if not any(isinstance(hook, FineTuneHook) for hook in runner.hooks):
        runner.register_hook(FineTuneHook())  # a config of one's own need not have it
    return runner


@contextlib.contextmanager
def clear_errors(*others: type[Exception]):
    """End with one line, not with a traceback, where the user can put things right.

    Args:
        *others (type[Exception]): A tool's own errors, beside those that all tools may meet.
    """
    try:
        yield
    except (
        AnnotationError,
        CheckpointError,
        ConfigError,
        FloatingPointError,
        ThresholdsError,
        *others,
    ) as error:
        sys.exit(f'error: {error}')


def _distribute_on_cpu(cfg: Config) -> None:
    """MMEngine means GPUs when it distributes; here the processes meet, and wrap, on the CPU."""
    torch.distributed.init_process_group('gloo')
    if is_main_process():
        print('There is no GPU: the processes work on the CPU and meet by gloo.')
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = {**wrapper, **cfg.get('model_wrapper_cfg', {})}
