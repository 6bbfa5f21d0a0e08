"""Train a detector.

Usage: ``python tools/train.py CONFIG``, with the options of MMDetection's train.py.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # run from a clone without installing it
    sys.path.insert(0, str(ROOT))

from mmengine.device import get_device  # noqa: E402

from alrp_mmdet.cli import build_runner, exit_on_error, load_config, make_parser  # noqa: E402
from alrp_mmdet.transfer.latest_checkpoint import latest_checkpoint  # noqa: E402


def parse_args():
    parser = make_parser(__doc__.partition('\n')[0])
    parser.add_argument('--amp', action='store_true', help='train with automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from a checkpoint (default: the latest in the work dir)',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    cfg = load_config(args)
    if args.amp:
        if get_device() == 'cpu':
            sys.exit('error: --amp needs a GPU, but there is none')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            sys.exit(
                'error: --auto-scale-lr needs the batch size that the learning rate is meant for: '
                'set auto_scale_lr = dict(base_batch_size=...) in the config'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        checkpoint = checkpoint_to_resume(args.resume, cfg.work_dir)
        cfg.resume = checkpoint is not None
        cfg.load_from = checkpoint or cfg.get('load_from')
    load_from = cfg.get('load_from')
    if load_from and '://' not in load_from and not Path(load_from).is_file():
        sys.exit(f'error: load_from names {load_from}, but there is no such file')
    with exit_on_error():
        build_runner(cfg, args, splits=('train', 'val')).train()


def checkpoint_to_resume(resume: str, work_dir: str) -> str | None:
    """Path of the checkpoint; None if ``auto`` finds none in the work dir."""
    if resume == 'auto':
        checkpoint = latest_checkpoint(work_dir)
        if checkpoint is None:
            print(f'There is no checkpoint in {work_dir} to resume from: training from the start.')
        return checkpoint
    if '://' not in resume and not Path(resume).is_file():
        sys.exit(f'error: there is no checkpoint {resume} to resume from')
    return resume


if __name__ == '__main__':
    main()
