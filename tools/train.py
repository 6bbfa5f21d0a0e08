"""Train a detector.

Usage: ``python tools/train.py CONFIG``, with the options of MMDetection's train.py.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # run from a clone without installing it
    sys.path.insert(0, str(ROOT))

from mmengine.config import Config  # noqa: E402

from alrp.checkpoint_argument import OneCheckpoint, missing_checkpoint  # noqa: E402
from alrp_mmdet.cli import (  # noqa: E402
    build_runner,
    exit_on_error,
    load_config,
    make_parser,
    remove_work_dir_if_refused,
)
from alrp_mmdet.config.file import ConfigError  # noqa: E402
from alrp_mmdet.errors import rank, say_how_to_resume  # noqa: E402
from alrp_mmdet.optim import use_amp_of_device  # noqa: E402
from alrp_mmdet.transfer.latest_checkpoint import latest_checkpoint  # noqa: E402
from alrp_mmdet.transfer.pretrained import check_pretrained  # noqa: E402


def parse_args():
    parser = make_parser(__doc__.partition('\n')[0])
    parser.add_argument('--amp', action='store_true', help='train with automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    parser.add_argument(
        '--micro-batch-size',
        type=int,
        metavar='N',
        help='forward N images at a time and rank the whole batch together: for batches that do '
        'not fit in memory',
    )
    parser.add_argument(
        '--resume',
        nargs='*',
        action=OneCheckpoint,
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint, or from the latest in the work dir',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    cfg = load_config(args)
    with exit_on_error():
        if args.amp:
            cfg.optim_wrapper.type = 'AmpOptimWrapper'
            cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
        use_amp_of_device(cfg.get('optim_wrapper'))
        if args.micro_batch_size is not None:
            cfg.micro_batch_size = args.micro_batch_size
        if args.auto_scale_lr:
            scale_learning_rate(cfg)
        # resume = True in the config means the latest checkpoint, too.
        resume = args.resume or (not cfg.get('load_from') and cfg.get('resume') and 'auto')
        if resume:
            checkpoint = checkpoint_to_resume(resume, cfg.work_dir)
            cfg.resume = checkpoint is not None
            cfg.load_from = checkpoint or cfg.get('load_from')
        elif rank() == 0 and (last := latest_checkpoint(cfg.work_dir)) is not None:
            print(
                f'warning: {cfg.work_dir} has checkpoints of an earlier run, such as {last}. They '
                'are overwritten if names are equal. To go on from them, use --resume; to keep '
                'them, another --work-dir'
            )
        missing = missing_checkpoint(cfg.load_from) if cfg.get('load_from') else None
        if missing is not None:
            raise ConfigError(f'load_from: {missing}')
        check_pretrained(cfg)
        with say_how_to_resume(cfg.work_dir), remove_work_dir_if_refused(cfg.work_dir):
            build_runner(cfg, args, splits=('train', 'val')).train()


def scale_learning_rate(cfg: Config) -> None:
    """Turn on ``auto_scale_lr``."""
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise ConfigError(
            '--auto-scale-lr needs the batch size that the learning rate is meant for: set '
            'auto_scale_lr = dict(base_batch_size=...) in the config'
        )
    cfg.auto_scale_lr.enable = True


def checkpoint_to_resume(resume: str, work_dir: str) -> str | None:
    """Path of the checkpoint; None if ``auto`` finds none in the work dir."""
    if resume == 'auto':
        checkpoint = latest_checkpoint(work_dir)
        if checkpoint is None:
            print(f'There is no checkpoint in {work_dir} to resume from: training from the start.')
        return checkpoint
    missing = missing_checkpoint(resume)
    if missing is not None:
        raise ConfigError(f'--resume: {missing}')
    return resume


if __name__ == '__main__':
    main()
