"""Draw detections, with any masks, next to the ground truth."""

import argparse
import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

from alrp.checkpoint_argument import OneCheckpoint, missing_checkpoint  # noqa: E402
from alrp.files import output_problem  # noqa: E402


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file; its test dataset is drawn')
    parser.add_argument('checkpoint', nargs='+', action=OneCheckpoint, help='one checkpoint file')
    parser.add_argument('--out', default='detections.png', help='picture (default: %(default)s)')
    parser.add_argument('--num-images', type=int, default=9, help='default: %(default)s')
    parser.add_argument('--columns', type=int, default=3, help='default: %(default)s')
    threshold = parser.add_mutually_exclusive_group()
    threshold.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='minimum score of a detection (default: %(default)s)',
    )
    threshold.add_argument(
        '--thresholds', help='minimum score per class: a thresholds_file of CocoLRPMetric'
    )
    parser.add_argument(
        '--calibration',
        metavar='FILE',
        help='calibrate scores by a file of alrp calibrate: --score-thr applies to calibrated '
        'scores, --thresholds to those of the model',
    )
    parser.add_argument('--device', help='default: cuda if there is a GPU, else cpu')
    parser.add_argument('--force', action='store_true', help='overwrite an existing picture')
    args = parser.parse_args()
    if math.isnan(args.score_thr):
        parser.error('--score-thr must be a number, got nan')
    return args


def main():
    args = parse_args()
    missing = missing_checkpoint(args.checkpoint)
    if missing is not None:
        sys.exit(f'error: {missing}')
    for path in (args.thresholds, args.calibration):
        if path is not None and not Path(path).is_file():
            sys.exit(f'error: no such file: {path}')
    problem = output_problem(args.out, force=args.force)
    if problem is not None:
        sys.exit(f'error: {problem}')
    # Not earlier: takes seconds, too long for --help.
    import mmcv
    import torch
    from matplotlib.lines import Line2D
    from mmdet.apis import inference_detector
    from mmdet.registry import DATASETS

    from alrp_mmdet.cli import exit_on_error
    from alrp_mmdet.config.file import read_config
    from alrp_mmdet.datasets.masks import decode, encode
    from alrp_mmdet.deploy import Detector, InputError
    from alrp_mmdet.deploy.calibration import apply_calibration, read_calibration
    from alrp_mmdet.deploy.thresholds import apply_thresholds, read_thresholds
    from alrp_mmdet.drawing import (
        GROUND_TRUTH,
        GROUND_TRUTH_LINE,
        class_colours,
        draw_box,
        draw_detections,
        image_grid,
        paint_mask,
        paint_masks,
    )
    from alrp_mmdet.fonts import use_fonts_for

    with exit_on_error():
        cfg = read_config(args.config, 'test_dataloader')
    with exit_on_error(InputError):
        device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
        detector = Detector(cfg, args.checkpoint, device)
        model, classes = detector.model, detector.classes
        dataset = DATASETS.build({**cfg.test_dataloader.dataset, '_scope_': 'mmdet'})
        meaning, score_thr = f'score above {args.score_thr:g}', args.score_thr
        if args.thresholds is not None:
            apply_thresholds(model, read_thresholds(args.thresholds, classes))
            meaning, score_thr = 'score above the LRP-optimal threshold of its class', 0.0
        if args.calibration is not None:
            apply_calibration(model, read_calibration(args.calibration, classes), score_thr)
            meaning = f'{meaning}; calibrated scores' if score_thr == 0 else f'calibrated {meaning}'
        elif args.thresholds is None:
            apply_thresholds(model, [score_thr] * len(classes))
    colours = class_colours(model.dataset_meta['palette'])

    infos = [dataset.get_data_info(i) for i in range(min(args.num_images, len(dataset)))]
    use_fonts_for(classes)
    figure, axes = image_grid([(info['width'], info['height']) for info in infos], args.columns)
    for axis, info in zip(axes, infos):
        image = mmcv.imread(info['img_path'], channel_order='rgb')
        detections = inference_detector(model, info['img_path']).pred_instances.cpu().numpy()
        paint_masks(image, detections, colours)
        for instance in info['instances']:
            draw_box(axis, instance['bbox'], GROUND_TRUTH, **GROUND_TRUTH_LINE)
            if 'masks' in detections and 'mask' in instance:
                rle = encode(instance['mask'], *image.shape[:2])
                paint_mask(image, decode(rle), GROUND_TRUTH, fill=False)
        axis.imshow(image)
        draw_detections(axis, detections, classes, colours)
    legend = [
        Line2D([], [], color='black', label=f'detection, {meaning}'),
        Line2D([], [], color=GROUND_TRUTH, label='ground truth', **GROUND_TRUTH_LINE),
    ]
    figure.legend(handles=legend, loc='lower center', ncol=2, frameon=False)
    figure.savefig(args.out, dpi=100)
    print(f'Wrote {args.out}')


if __name__ == '__main__':
    main()
