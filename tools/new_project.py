"""Create a training config from annotated images.

Usage: ``python tools/new_project.py SOURCE --out FOLDER``. The annotations may be in COCO, Pascal
VOC or YOLO format; docs/own_data.md describes what is read, checked and written.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'alrp_mmdet').is_dir():  # run from a clone without installing it
    sys.path.insert(0, str(ROOT))

# Those of alrp_mmdet.project, whose import takes seconds: too long for --help.
DETECTORS = 'atss', 'faster-rcnn', 'foveabox', 'retinanet', 'retinanet-small'
MASKS = 'mask-rcnn'
LOSSES = 'rs', 'alrp', 'ap'
FORMATS = 'coco', 'voc', 'yolo'
VAL_FRACTION = 0.2


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        'source',
        type=Path,
        metavar='SOURCE',
        help='annotations: a COCO .json, a folder of Pascal VOC .xml files, a YOLO data.yaml or '
        'obj.data, or a folder of YOLO labels with a classes.txt',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='FOLDER', help='folder for the new project'
    )
    validation = parser.add_mutually_exclusive_group()
    validation.add_argument(
        '--val', type=Path, metavar='SOURCE', help='validation annotations, in the same format'
    )
    validation.add_argument(
        '--val-fraction',
        type=float,
        metavar='X',
        help='validate on this share of the images, chosen at random '
        f'(default: {VAL_FRACTION}, if there is no validation split; replaces one)',
    )
    detector = parser.add_mutually_exclusive_group()
    detector.add_argument(
        '--detector',
        choices=DETECTORS,
        default='atss',
        help='detector of boxes to train; retinanet-small is for CPUs (default: %(default)s)',
    )
    detector.add_argument(
        '--masks',
        dest='detector',
        action='store_const',
        const=MASKS,
        help='train Mask R-CNN on the masks of the annotations (COCO, or YOLO polygons)',
    )
    parser.add_argument(
        '--loss',
        choices=LOSSES,
        default=LOSSES[0],
        help='ranking loss of all stages (default: %(default)s)',
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        '--weights',
        metavar='FILE',
        help='pretrained weights of the backbone, path or URL; none: train from random '
        'weights (default: downloaded when training starts)',
    )
    start.add_argument(
        '--load-from', metavar='CHECKPOINT', help='fine-tune this detector checkpoint, path or URL'
    )
    parser.add_argument(
        '--epochs', type=int, metavar='N', help='(default: chosen by the number of images)'
    )
    parser.add_argument(
        '--images', type=Path, metavar='FOLDER', help='image folder (default: searched for)'
    )
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out images that are missing or cannot be decoded, XML files that cannot be '
        'read, and boxes without area, outside of their image, or with missing or wrong numbers; '
        'they are listed',
    )
    parser.add_argument('--format', choices=FORMATS, help='annotation format (default: detected)')
    parser.add_argument('--force', action='store_true', help='overwrite existing files')
    args = parser.parse_args(argv)
    if args.val_fraction is not None and not 0 < args.val_fraction < 1:
        parser.error('--val-fraction must be between 0 and 1')
    if args.epochs is not None and args.epochs < 1:
        parser.error('--epochs must be at least 1')
    for path in (args.source, args.val, args.images):
        if path is not None and not path.exists():
            sys.exit(f'error: {path} does not exist')
    return args


def main(argv: list[str] | None = None):
    args = parse_args(argv)
    from alrp_mmdet.project.create import create_project  # not earlier: takes seconds

    create_project(args, Path(__file__).resolve().parent)


if __name__ == '__main__':
    main()
