"""Evaluate a detector. Takes MMDetection's options."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

from mmdet.engine.hooks.utils import trigger_visualization_hook  # noqa: E402
from mmdet.evaluation import DumpDetResults  # noqa: E402
from mmengine.config import Config  # noqa: E402

from alrp_mmdet.cli import build_runner, clear_errors, load_config, make_parser  # noqa: E402


def parse_args():
    parser = make_parser('Evaluate a detector')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='pickle file to write the predictions to')
    parser.add_argument(
        '--thresholds',
        help='keep only what scores the threshold of its class: a thresholds_file of CocoLRPMetric',
    )
    parser.add_argument('--show', action='store_true', help='show the detections in a window')
    parser.add_argument(
        '--show-dir', help='folder for pictures of the detections, in WORK_DIR/TIMESTAMP'
    )
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds between two pictures shown'
    )
    return parser.parse_args()


def use_thresholds(cfg: Config, path: str) -> None:
    """Test at the thresholds in a file, instead of those that the config may name."""
    if not Path(path).is_file():
        sys.exit(f'error: there is no file {path}')
    hook = dict(type='LRPThresholdsHook', thresholds_file=path)
    others = [h for h in cfg.get('custom_hooks') or [] if h['type'] != hook['type']]
    cfg.custom_hooks = [*others, hook]
    drawing = (cfg.get('default_hooks') or {}).get('visualization')
    if drawing is not None:  # all that is left is drawn, unless the config wants less
        drawing.setdefault('score_thr', 0)


def main():
    args = parse_args()
    if args.out is not None and not args.out.endswith(('.pkl', '.pickle')):
        sys.exit(f'error: --out must end with .pkl or .pickle, but is {args.out}')
    cfg = load_config(args)
    if args.thresholds is not None:
        use_thresholds(cfg, args.thresholds)
    if '://' not in args.checkpoint and not Path(args.checkpoint).is_file():
        sys.exit(f'error: there is no checkpoint {args.checkpoint}')
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    with clear_errors():
        runner = build_runner(cfg, args, splits=('test',))
        if args.out is not None:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()


if __name__ == '__main__':
    main()
