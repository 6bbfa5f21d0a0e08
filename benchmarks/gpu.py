"""Time and memory on a GPU: the losses alone, and training steps of whole detectors.

Prints one Markdown table. Losses: a forward and backward pass in float32, beside MMCV's CUDA focal
loss and a loop over the positives as in published code. Detectors: a training step of R50
RetinaNet, ATSS and Faster R-CNN on random images, beside their usual losses, in float32 and mixed
precision.
`/ baseline` compares the fastest pass with that of the first row of its group; `memory` is the peak
beyond the input or the model and its optimizer. On a CPU, each row is measured in a fresh process,
since the peak of a process never falls.

    python benchmarks/gpu.py --output benchmarks/gpu_results.md
    python benchmarks/gpu.py --device cpu --small      # tries it out
"""

import argparse
import gc
import itertools
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

import ranking_losses
import torch
from output import write_lines
from ranking_losses import duration, in_fresh_process, machine, make_input, peak_memory, ratio

ROOT = Path(__file__).resolve().parents[1]
STAGES = ('start', 'trained')
LOSSES = ('focal loss', 'ap_loss', 'alrp_loss', 'rank_sort_loss', 'published loop, aLRP')
# The usual loss first.
DETECTORS = {
    'RetinaNet': (
        'retinanet/focal_retinanet_r50_fpn_100e_coco500',
        'retinanet/alrp_retinanet_r50_fpn_1x_coco',
        'retinanet/rs_retinanet_r50_fpn_1x_coco',
    ),
    'ATSS': (
        'atss/focal_atss_r50_fpn_100e_coco500',
        'atss/alrp_atss_r50_fpn_1x_coco',
        'atss/rs_atss_r50_fpn_1x_coco',
    ),
    'Faster R-CNN': (
        'faster_rcnn/ce_l1_faster-rcnn_r50_fpn_100e_coco500',
        'faster_rcnn/alrp_faster-rcnn_r50_fpn_1x_coco',
        'faster_rcnn/rs_faster-rcnn_r50_fpn_1x_coco',
    ),
}
# Imported once for all processes.
PRELOADED_ON_CPU = ['torch._dynamo', 'mmdet.models', 'mmengine.optim']
NOT_ON_CPU = 'GPU only: CPUs may emulate bfloat16, and NMS of MMCV lacks it'
NUM_CLASSES = 80
OBJECTS_PER_IMAGE = 7


def mmcv_focal(logits, labels, loc_errors):
    """One class per row of logits. MMCV has it for GPUs only."""
    from mmcv.ops import sigmoid_focal_loss

    rows = logits[: len(logits) // NUM_CLASSES * NUM_CLASSES].view(-1, NUM_CLASSES)
    is_positive = labels[: rows.numel()].view(-1, NUM_CLASSES)
    classes = torch.where(is_positive.any(1), is_positive.argmax(1), NUM_CLASSES)
    return sigmoid_focal_loss(rows, classes, 2.0, 0.25, None, 'sum') / len(loc_errors)


def rank_sort(logits, labels, loc_errors):
    from alrp.ranking import rank_sort_loss

    targets = labels.to(logits.dtype)
    targets[labels == 1] = loc_errors.detach().clamp(min=1e-3)
    return sum(rank_sort_loss(logits, targets))


def loss_function(name, device):
    if name == 'focal loss' and device == 'cuda':
        return mmcv_focal
    return rank_sort if name == 'rank_sort_loss' else ranking_losses.METHODS[name]


def measure_loss(name, num_pos, num_neg, stage, device, repeat):
    loss = loss_function(name, device)
    logits, labels, loc_errors = make_input(num_pos, num_neg, stage, device)

    def run():
        logits.grad = loc_errors.grad = None
        loss(logits, labels, loc_errors).backward()

    return timed(run, device, repeat)


def measure_step(config, amp, batch_size, height, width, device, repeat):
    """Training steps of the detector of a config, with random weights."""
    sys.path.insert(0, str(ROOT))
    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.logging import MMLogger
    from mmengine.optim import AmpOptimWrapper, OptimWrapper
    from mmengine.registry import init_default_scope

    import alrp_mmdet  # noqa: F401 - registers

    torch.manual_seed(0)
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('ERROR')  # no list of initialised parameters
    cfg = Config.fromfile(ROOT / 'configs' / f'{config}.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    model.init_weights()
    model = model.to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9)
    wrapper = OptimWrapper(optimizer)
    if amp:
        wrapper = AmpOptimWrapper(optimizer=optimizer, dtype='float16', loss_scale='dynamic')
    batch = make_batch(batch_size, height, width)
    return timed(lambda: model.train_step(batch, wrapper), device, repeat)


def make_batch(batch_size, height, width):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    size = torch.tensor([width, height])
    shape = dict(img_shape=(height, width), pad_shape=(height, width))
    images, samples = [], []
    for _ in range(batch_size):
        corners = torch.rand(OBJECTS_PER_IMAGE, 2) * size * 0.7
        boxes = torch.cat(
            [corners, corners + (0.05 + 0.25 * torch.rand(len(corners), 2)) * size], 1
        )
        sample = DetDataSample(metainfo=dict(shape, ori_shape=(height, width), scale_factor=(1, 1)))
        labels = torch.randint(NUM_CLASSES, (len(boxes),))
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
        images.append(torch.randint(256, (3, height, width), dtype=torch.uint8))
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def timed(run, device, repeat):
    """Seconds of each of several runs after the first, and the peak memory on top of what is there
    before them, in bytes."""
    if device == 'cuda':
        gc.collect()  # what the row before has left
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if device == 'cuda' else peak_memory(device)
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        run()
        if device == 'cuda':
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if sum(seconds) > 10 * ranking_losses.ENOUGH:
            break
    return seconds[1:] or seconds, peak_memory(device) - before


def measure(function, job, device):
    return function(*job) if device == 'cuda' else in_fresh_process(*job, function=function)


def groups(args):
    """Rows to be compared with the first of each group: name, function, arguments."""
    for (num_pos, num_neg), stage in itertools.product(args.losses, STAGES):
        yield [
            (
                f'{name}, {stage}, P = {num_pos:,}, N = {num_neg:,}',
                measure_loss,
                (name, num_pos, num_neg, stage, args.device, args.repeat),
            )
            for name in LOSSES
            if 'loop' not in name or num_pos * num_neg <= args.max_loop_pairs
        ]
    for detector, configs in DETECTORS.items():
        for amp in (False, True):
            precision = 'mixed precision' if amp else 'float32'
            yield [
                (
                    f'{detector}, {config.split("/")[1].split("_")[0]}, {precision}',
                    measure_step,
                    (config, amp, args.batch_size, *args.image_size, args.device, args.repeat),
                )
                for config in configs
            ]


def table(args):
    height, width = args.image_size
    yield f'{machine(args)}; detectors: {args.batch_size} images of {width} x {height}'
    yield ''
    yield '| what | min | median | / baseline | memory |'
    yield '|---|--:|--:|--:|--:|'
    for group in groups(args):
        baseline = None
        for name, function, job in group:
            if args.device == 'cpu' and name.endswith('mixed precision'):
                yield f'| {name} | {NOT_ON_CPU} | | | |'
                continue
            seconds, memory = measure(function, job, args.device)
            baseline = baseline or min(seconds)
            cells = [
                name,
                duration(min(seconds)),
                duration(statistics.median(seconds)),
                ratio(min(seconds) / baseline),
                f'{memory / 2**20:.0f} MiB',
            ]
            yield '| ' + ' | '.join(cells) + ' |'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', choices=['cuda', 'cpu'], default='cuda')
    parser.add_argument('--small', action='store_true', help='small sizes, to try it out')
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--image-size', type=int, nargs=2, default=(800, 1344), metavar='PIXELS')
    parser.add_argument(
        '--losses', type=ranking_losses.size, nargs='+', default=[(1000, 20_000_000)], metavar='PxN'
    )
    parser.add_argument('--max-loop-pairs', type=float, default=1e11, metavar='P*N')
    parser.add_argument('--repeat', type=int, default=10)
    parser.add_argument('--output', type=Path, help='also write the table to this file')
    args = parser.parse_args()
    args.threads = torch.get_num_threads()
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('there is no GPU: use --device cpu')
    if args.small:
        args.batch_size, args.image_size, args.losses, args.repeat = 1, (64, 96), [(50, 5000)], 1

    if args.device == 'cpu':
        multiprocessing.get_context('forkserver').set_forkserver_preload(PRELOADED_ON_CPU)
    write_lines(table(args), args.output)


if __name__ == '__main__':
    main()
