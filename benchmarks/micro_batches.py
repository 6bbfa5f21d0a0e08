"""Time and memory of a training step in micro-batches, compared with the whole batch.

Steps of RetinaNet with ResNet-50 and aLRP Loss on random images of COCO's 80 classes. Each
measurement runs in a fresh process; the settings alternate, and a row shows medians. Processor time
does not count other programs on the machine, as the clock does. Memory is the peak, with and
without what the process uses before its first step.

    python benchmarks/micro_batches.py --threads 2 --output benchmarks/micro_batches_results.md
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

import torch
from output import write_lines
from ranking_losses import duration, machine, peak_memory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CONFIG = ROOT / 'configs' / 'retinanet' / 'alrp_retinanet_r50_fpn_100e_coco500.py'
OBJECTS = 7  # per image, the mean of COCO


def make_batch(batch_size, image_size, device):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    rng = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(batch_size):
        sizes = image_size * (0.05 + 0.35 * torch.rand(OBJECTS, 2, generator=rng))
        corners = (image_size - sizes) * torch.rand(OBJECTS, 2, generator=rng)
        sample = DetDataSample(metainfo=dict(img_shape=(image_size, image_size)))
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corners, corners + sizes], dim=1),
            labels=torch.randint(80, (OBJECTS,), generator=rng),
        ).to(device)
        samples.append(sample)
    images = torch.rand(batch_size, 3, image_size, image_size, generator=rng) * 255
    return dict(inputs=list(images.to(device)), data_samples=samples)


def measure(batch_size, micro_batch_size, image_size, device, threads, steps):
    """Seconds of a step by clock and by processor time; peak memory, total and of the steps."""
    torch.set_num_threads(threads)
    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.optim import OptimWrapper
    from mmengine.registry import init_default_scope

    from alrp_mmdet.models.micro_batches import MicroBatches

    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.init_cfg = None
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    detector = MODELS.build(cfg.model).to(device).train()
    if micro_batch_size < batch_size:
        MicroBatches(detector, micro_batch_size).install()
    optim = OptimWrapper(torch.optim.SGD(detector.parameters(), lr=1e-4, momentum=0.9))
    batch = make_batch(batch_size, image_size, device)
    before = peak_memory(device)
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        loss = detector.train_step(batch, optim)['loss'].item()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = peak_memory(device)
    return clock / steps, processor / steps, peak, peak - before, loss


def in_fresh_process(*job):
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(measure, job)


def report(args):
    sizes = [args.batch_size, *args.micro_batch_sizes]
    results = {size: [] for size in sizes}
    for _ in range(args.repeat):
        for size in sizes:
            job = args.batch_size, size, args.image_size, args.device, args.threads, args.steps
            results[size].append(in_fresh_process(*job))
            print(size, results[size][-1], file=sys.stderr, flush=True)
    medians = {size: [statistics.median(x) for x in zip(*rows)] for size, rows in results.items()}
    whole = medians[args.batch_size]
    yield f'{machine(args)}, {args.steps * args.repeat} steps'
    yield ''
    yield (
        f'A step of {args.batch_size} images of {args.image_size}x{args.image_size} pixels. In '
        'brackets: relative to the whole batch.'
    )
    yield ''
    yield (
        '| images at a time | time | processor time | peak memory | without what was used before '
        '| loss |'
    )
    yield '|--:|--:|--:|--:|--:|--:|'
    for size, values in medians.items():
        cells = [
            f'{text(value)} ({value / base:.2f})'
            for value, base, text in zip(values, whole, (duration, duration, mebibytes, mebibytes))
        ]
        yield f'| {size} | {" | ".join(cells)} | {values[-1]:.7g} |'


def mebibytes(value):
    return f'{value / 2**20:,.0f} MiB'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--micro-batch-sizes', type=int, nargs='*', default=[4], metavar='N')
    parser.add_argument('--image-size', type=int, default=512)
    parser.add_argument('--steps', type=int, default=1, help='in each process')
    parser.add_argument('--repeat', type=int, default=3, help='processes for each size')
    parser.add_argument('--output', type=Path, help='also write the table to this file')
    args = parser.parse_args()
    write_lines(report(args), args.output)


if __name__ == '__main__':
    main()
