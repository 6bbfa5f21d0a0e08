"""Command line, config and runner of tools/train.py and tools/test.py."""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from warnings import filterwarnings

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from alrp.files import folder_problem
from alrp.lrp.calibration import CalibrationError
from alrp.text import describe_error

from .config.build_errors import explain_build_error
from .config.file import ConfigError, read_config
from .config.misspelt_settings import check_settings
from .config.options import CfgOptions, apply_options, check_names
from .config.schedule import schedule_warnings
from .datasets.check import AnnotationError, check_datasets
from .datasets.palettes import set_palettes
from .datasets.setting_types import missing_settings
from .deploy.thresholds import ThresholdsError
from .errors import (
    CANNOT_WRITE,
    CTRL_C,
    LOST_CONNECTION,
    ImageReadError,
    is_lost_connection,
    rank,
    stop,
    tell_torchrun,
)
from .hooks import FineTuneHook, ImageErrorHook, MicroBatchHook, ResumeHook
from .models.loss_checks import check_losses
from .models.train_cfg_checks import check_train_cfg
from .optional_packages import check_packages
from .transfer.safe_loading import CheckpointError

# MMEngine triggers it for each file that a config inherits as 'alrp_mmdet::...'.
filterwarnings('ignore', 'pkg_resources is deprecated', UserWarning)

RANK_VARIABLES = dict(slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
# Added to every run, because configs of users may not have them.
NEEDED_HOOKS = FineTuneHook, ImageErrorHook, MicroBatchHook, ResumeHook
# What a run cannot start with.
REFUSALS = AnnotationError, CalibrationError, CheckpointError, ConfigError, ThresholdsError


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that train.py and test.py share, named as in MMDetection."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints (default: work_dir of the config, or '
        'work_dirs/CONFIG_NAME)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.bbox_head.num_classes=3 or '
        'key="[a,b]" (quote lists; no spaces)',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how several processes are started (default: %(default)s)',
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='set by the launcher'
    )
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """Read the config of a command line and apply the options of ``make_parser`` to it."""
    variable = RANK_VARIABLES.get(args.launcher, 'RANK')
    if variable in os.environ:
        os.environ['RANK'] = os.environ[variable]  # MMEngine does the same, but later
    with exit_on_error():
        cfg = read_config(args.config)
        cfg.launcher = args.launcher
        check_names(cfg)
        warnings = [] if args.cfg_options is None else apply_options(cfg, args.cfg_options)
    _print_warnings(warnings)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def _print_warnings(warnings: list[str]) -> None:
    if rank() == 0:
        for text in warnings:
            print(f'warning: {text}')


def build_runner(cfg: Config, args: argparse.Namespace, splits: tuple[str, ...]) -> Runner:
    """Check the data of a config and build its runner, with the hooks that our tools need.

    Args:
        cfg (Config): The config.
        args (argparse.Namespace): The parsed command line.
        splits (tuple[str, ...]): The splits to be used: ``train``, ``val``, ``test``.

    Returns:
        Runner: The runner.

    Raises:
        AnnotationError: If the data of these splits cannot be used.
        ConfigError: If the config needs a package that is not installed, a class does not know or
            refuses a setting, or the work dir cannot be written.
    """
    missing = [] if 'runner_type' in cfg else missing_settings(cfg, splits)
    if missing:
        raise ConfigError('; '.join(missing))
    check_packages(cfg, splits)
    check_settings(cfg, splits)
    check_losses(cfg.model)
    if 'train' in splits:
        _print_warnings([*check_train_cfg(cfg.model), *schedule_warnings(cfg)])
    problem = folder_problem(cfg.work_dir, cfg.work_dir)
    if problem is not None:
        raise ConfigError(f'{problem}: choose another --work-dir')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    check_datasets(cfg, splits)
    set_palettes(cfg)
    # Not earlier: other processes wait here until the launcher ends them if the data have errors.
    if args.launcher == 'pytorch' and not torch.cuda.is_available():
        _distribute_on_cpu(cfg)
    try:
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    except Exception as error:
        reason = explain_build_error(error)
        if reason is None:
            raise
        raise ConfigError(f'{args.config}: {reason}') from error
    for hook_type in NEEDED_HOOKS:
        if not any(isinstance(hook, hook_type) for hook in runner.hooks):
            runner.register_hook(hook_type())
    return runner


@contextlib.contextmanager
def exit_on_error(*others: type[Exception]):
    """Exit with a one-line message instead of a traceback for errors that the user can fix.

    Args:
        *others (type[Exception]): Further errors of the tool.
    """
    try:
        yield
    except (*REFUSALS, FloatingPointError, *others) as error:
        stop(str(error))
    except ImageReadError as error:
        stop(error.reason)
    except KeyboardInterrupt:
        stop('stopped by Ctrl-C', CTRL_C)
    except Exception as error:
        reason = explain_build_error(error)  # the run builds some parts
        if reason is not None:
            stop(reason)
        if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
            stop(f'cannot write {error.filename or "a file"}: {error.strerror}')
        if is_lost_connection(error):
            tell_torchrun(LOST_CONNECTION)
            sys.exit(1)
        # A defect: the traceback tells more.
        tell_torchrun(f'error: {describe_error(error)}')
        raise


@contextlib.contextmanager
def remove_work_dir_if_refused(work_dir: str) -> Iterator[None]:
    """Remove a new work dir if the run is refused and has written only its log and config."""
    folder = Path(work_dir).absolute()
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except Exception as error:
        is_defect = not isinstance(error, REFUSALS) and explain_build_error(error) is None
        written = [path for path in folder.rglob('*') if path.is_file()]
        has_results = any(path.suffix not in ('.log', '.py') for path in written)
        if new and rank() == 0 and not (is_defect or has_results):
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # a parent is not empty
                for path in new[1:]:
                    path.rmdir()
        raise


def _distribute_on_cpu(cfg: Config) -> None:
    """Use gloo and CPU model wrappers: MMEngine's defaults for several processes need GPUs."""
    torch.distributed.init_process_group('gloo')
    if is_main_process():
        print('There is no GPU: running on the CPU, with gloo between the processes.')
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = {**wrapper, **cfg.get('model_wrapper_cfg', {})}
