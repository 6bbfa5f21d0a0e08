"""Export a one-stage detector to ONNX or TorchScript."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

from alrp.checkpoint_argument import OneCheckpoint, missing_checkpoint  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='+', action=OneCheckpoint, help='one checkpoint file')
    parser.add_argument('--out', required=True, metavar='FILE', help='model.onnx or model.pt')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('W', 'H'),
        help='input size in pixels; default: the size of the test pipeline, rounded up',
    )
    parser.add_argument(
        '--calibration',
        metavar='FILE',
        help='store a calibration of alrp calibrate in the metadata',
    )
    parser.add_argument('--device', default='cpu', help='device on which TorchScript will run')
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Not earlier: takes seconds, too long for --help.
    from alrp.files import output_problem, write_atomically
    from alrp_mmdet.cli import exit_on_error
    from alrp_mmdet.config.file import read_config
    from alrp_mmdet.deploy.calibration import read_calibration
    from alrp_mmdet.deploy.detector import Detector
    from alrp_mmdet.deploy.export import EXPORTERS, default_size, export_metadata
    from alrp_mmdet.deploy.inputs import InputError
    from alrp_mmdet.deploy.raw_detector import ExportError, RawDetector

    out = Path(args.out)
    with exit_on_error(InputError, ExportError):
        if out.suffix not in EXPORTERS:
            raise InputError(f'--out must end with {" or ".join(EXPORTERS)}, got {out}')
        if '://' in args.checkpoint:
            raise InputError(f'the checkpoint must be a file, got {args.checkpoint}')
        missing = missing_checkpoint(args.checkpoint)
        if missing is None and args.calibration and not Path(args.calibration).is_file():
            missing = f'no such file: {args.calibration}'
        if missing is not None:
            raise InputError(missing)
        inputs = [path for path in (args.checkpoint, args.calibration) if path is not None]
        problem = output_problem(out, inputs, args.force)
        if problem is not None:
            raise InputError(problem)
        cfg = read_config(args.config, 'test_dataloader')
        detector = Detector(cfg, args.checkpoint, args.device)
        model, calibration = detector.model, None
        if args.calibration is not None:
            calibration = read_calibration(args.calibration, detector.classes)
        raw = RawDetector(model, cfg, tuple(args.size) if args.size else default_size(cfg))
        content = EXPORTERS[out.suffix](raw, export_metadata(raw, cfg, calibration))
        try:
            write_atomically(out, content)
        except OSError as error:
            raise InputError(f'cannot write {out}: {error.strerror}') from error
    print(f'Wrote {out}: input {raw.width}x{raw.height}, output scores and boxes before NMS')


if __name__ == '__main__':
    main()
