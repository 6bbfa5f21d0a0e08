"""Convert a checkpoint of the published code to this project.

Reads checkpoints of the forks of MMDetection 2 that were published with aLRP Loss, RS Loss and
bucketed ranking: RetinaNet, ATSS, PAA, FoveaBox, Faster, Cascade and Mask R-CNN, YOLACT. Writes
nothing unless all weights fit the model of the config.
"""

import argparse
import io
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'alrp_mmdet').is_dir():  # a clone that need not be installed
    sys.path.insert(0, str(ROOT))

from alrp.files import output_problem, write_atomically  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('input', metavar='IN', help='published checkpoint')
    parser.add_argument('output', metavar='OUT', help='checkpoint to write')
    parser.add_argument(
        '--config', help='config of the model; default: the one in configs/ for this checkpoint'
    )
    parser.add_argument('--force', action='store_true', help='overwrite OUT if it exists')
    return parser.parse_args()


def main():
    args = parse_args()
    if not Path(args.input).is_file():
        sys.exit(f'error: no such file: {args.input}')
    problem = output_problem(args.output, [args.input], args.force)
    if problem is not None:
        sys.exit(f'error: {problem}')
    # Not earlier: takes seconds, too long for --help.
    import torch
    from mmengine.runner import CheckpointLoader

    from alrp_mmdet.cli import exit_on_error
    from alrp_mmdet.config.file import read_config
    from alrp_mmdet.transfer.checkpoint_config import read_model_cfg
    from alrp_mmdet.transfer.fine_tuning.state_dicts import extract_weights
    from alrp_mmdet.transfer.published import convert_published, published_config

    with exit_on_error():
        checkpoint = CheckpointLoader.load_checkpoint(args.input, 'cpu')
        config = args.config or published_config(
            extract_weights(checkpoint, args.input),
            args.input,
            ROOT / 'configs',
            read_model_cfg(checkpoint),
        )
        converted, notes = convert_published(checkpoint, args.input, read_config(config))
    content = io.BytesIO()
    torch.save(converted, content)
    write_atomically(args.output, content.getvalue())
    for note in notes:
        print(f'note: {note}')
    classes = len(converted['meta'].get('dataset_meta', {}).get('classes', ()))
    print(
        f'{args.output}: {len(converted["state_dict"])} tensors for the model of {config}'
        + (f', {classes} classes' if classes else '')
    )


if __name__ == '__main__':
    main()
