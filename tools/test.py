"""Evaluate a detector: AP and LRP.

Usage: ``python tools/test.py CONFIG CHECKPOINT``, with the options of MMDetection's test.py.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # run from a clone without installing it
    sys.path.insert(0, str(ROOT))

from mmdet.engine.hooks.utils import trigger_visualization_hook  # noqa: E402
from mmdet.evaluation import DumpDetResults  # noqa: E402
from mmengine.config import Config  # noqa: E402

from alrp.checkpoint_argument import OneCheckpoint, missing_checkpoint  # noqa: E402
from alrp_mmdet.cli import (  # noqa: E402
    build_runner,
    exit_on_error,
    load_config,
    make_parser,
    remove_work_dir_if_refused,
)
from alrp_mmdet.config.types import type_name  # noqa: E402
from alrp_mmdet.deploy.tta import use_tta  # noqa: E402


def parse_args():
    parser = make_parser(__doc__.partition('\n')[0])
    parser.add_argument('checkpoint', nargs='+', action=OneCheckpoint, help='one checkpoint file')
    parser.add_argument('--out', help='write the predictions to this .pkl file')
    parser.add_argument(
        '--thresholds',
        metavar='FILE',
        help='drop detections below the threshold of their class; a JSON file that CocoLRPMetric '
        'wrote (thresholds_file)',
    )
    parser.add_argument(
        '--calibration',
        metavar='FILE',
        help='calibrate scores by a file of alrp calibrate; --thresholds apply before',
    )
    parser.add_argument('--show', action='store_true', help='show the detections in a window')
    parser.add_argument(
        '--show-dir', help='save images with detections to this folder in WORK_DIR/TIMESTAMP'
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: merge the detections in each image and its mirror image, or '
        'use tta_model and tta_pipeline of the config',
    )
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show each image')
    return parser.parse_args()


def use_hook(cfg: Config, path: str, **hook: str) -> None:
    """Test with the hook of a file, which replaces any hook of this type in the config."""
    if not Path(path).is_file():
        sys.exit(f'error: there is no file {path}')
    others = [h for h in cfg.get('custom_hooks') or [] if type_name(h) != hook['type']]
    cfg.custom_hooks = [*others, hook]


def draw_all(cfg: Config) -> None:
    """Draw all detections that thresholds leave, unless the config says otherwise."""
    drawing = (cfg.get('default_hooks') or {}).get('visualization')
    if drawing is not None:
        drawing.setdefault('score_thr', 0)


def main():
    args = parse_args()
    if args.out is not None and not args.out.endswith(('.pkl', '.pickle')):
        sys.exit(f'error: --out must end with .pkl or .pickle, got {args.out}')
    cfg = load_config(args)
    if args.thresholds is not None:
        use_hook(cfg, args.thresholds, type='LRPThresholdsHook', thresholds_file=args.thresholds)
        draw_all(cfg)
    if args.calibration is not None:
        use_hook(cfg, args.calibration, type='CalibrationHook', calibration_file=args.calibration)
    missing = missing_checkpoint(args.checkpoint)
    if missing is not None:
        sys.exit(f'error: {missing}')
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    with exit_on_error(), remove_work_dir_if_refused(cfg.work_dir):
        if args.tta:
            use_tta(cfg)
        runner = build_runner(cfg, args, splits=('test',))
        if args.out is not None:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()


if __name__ == '__main__':
    main()
