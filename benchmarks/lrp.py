"""Compare time and memory of AP and LRP together with libraries that compute AP only.

Each method starts from parsed JSON (lists of dicts), in a fresh process. `min` is the fastest of
several runs; ratios use it. If `median` is much larger, something else was running: measure again.
`ours / it` below 1 means that AP and LRP together take less time than that method. `memory` is the
peak beyond the input. `AP` and `oLRP` must agree in all rows that have them.

    python benchmarks/lrp.py --repeat 5 --output benchmarks/lrp_results.md

With `--sizes`, the number of detections is the axis instead, with as many images and objects per
detection as in COCO. `CPU` is the processor time of all threads, which other programs affect less
than `min`.

    python benchmarks/lrp.py --sizes 500000 1000000 2000000 5000000 --repeat 2

- **ours, arrays**: from arrays, one per key, instead of lists of dicts.
- **pycocotools**: COCOeval's AP, no LRP.
- **faster-coco-eval**: the same in C++, with its default number of threads, if it is installed.
- **plain LRP**: pycocotools, then a loop over the detections of each class and area range.
"""

import argparse
import contextlib
import importlib.util
import io
import multiprocessing
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from memory import recent_peak, reset_peak, resident_memory
from output import write_lines
from synthetic_coco import make_set

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alrp.lrp import evaluate_lrp

TAU = 0.5


def ours(ground_truth, results):
    summary = evaluate_lrp(ground_truth, results).summary
    return summary['AP'], summary['oLRP']


def coco_eval(coco_class, eval_class, ground_truth, results):
    """A COCOeval after evaluate, accumulate and summarize."""
    truth = coco_class()
    truth.dataset = ground_truth
    truth.createIndex()
    evaluation = eval_class(truth, truth.loadRes(results), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def pycocotools(ground_truth, results):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return coco_eval(COCO, COCOeval, ground_truth, results).stats[0], None


def faster_coco_eval(ground_truth, results):
    from faster_coco_eval import COCO, COCOeval_faster

    return coco_eval(COCO, COCOeval_faster, ground_truth, results).stats[0], None


def plain_lrp(ground_truth, results):
    """oLRP in a loop over the matches of pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    evaluation = coco_eval(COCO, COCOeval, ground_truth, results)
    p = evaluation.params
    optimum = np.full((len(p.catIds), len(p.areaRng)), np.nan)
    for k, category in enumerate(p.catIds):
        for a in range(len(p.areaRng)):
            num_objects, detections = 0, []
            for i, image in enumerate(p.imgIds):
                e = evaluation.evalImgs[(k * len(p.areaRng) + a) * len(p.imgIds) + i]
                if e is None:
                    continue
                num_objects += sum(not ignored for ignored in e['gtIgnore'])
                place = {o['id']: g for g, o in enumerate(evaluation._gts[image, category])}
                for d, score in enumerate(e['dtScores']):
                    if not e['dtIgnore'][0, d]:
                        matched = e['dtMatches'][0, d]
                        iou = evaluation.ious[image, category][d][place[matched]] if matched else 0
                        detections.append((score, iou))
            if num_objects == 0:
                continue
            detections.sort(key=lambda detection: -detection[0])
            optimum[k, a] = 1
            num_tp = num_fp = loc_error = 0
            for _, iou in detections:
                if iou:
                    num_tp += 1
                    loc_error += (1 - iou) / (1 - TAU)
                else:
                    num_fp += 1
                error = (loc_error + num_fp + num_objects - num_tp) / (num_objects + num_fp)
                optimum[k, a] = min(optimum[k, a], error)
    return evaluation.stats[0], np.nanmean(optimum[:, 0])


METHODS = {
    'ours, AP and LRP': ours,
    'ours, arrays': ours,
    'faster-coco-eval, AP': faster_coco_eval,
    'pycocotools, AP': pycocotools,
    'plain LRP': plain_lrp,
}


ARRAYS = 'ours, arrays'
SIZES = {ARRAYS: 'arrays', 'ours, AP and LRP': 'lists', 'faster-coco-eval, AP': 'lists'}


def measure(method, size, repeat):
    """Wall and CPU seconds of each pass, peak memory beyond the input in bytes, AP and oLRP."""
    small = make_set(10, 100, 20, 3, method == ARRAYS)
    with contextlib.redirect_stdout(io.StringIO()):
        METHODS[method](*small)  # so that lazy imports are not measured
        seconds, cpu_seconds = [], []
        for _ in range(repeat):
            # Again, because the libraries change their input.
            loaded = make_set(*size, method == ARRAYS)
            before = resident_memory()
            reset_peak()
            start = time.perf_counter(), time.process_time()
            numbers = METHODS[method](*loaded)
            seconds.append(time.perf_counter() - start[0])
            cpu_seconds.append(time.process_time() - start[1])
            if len(seconds) == 1:
                memory = recent_peak() - before
            del loaded
    return seconds, cpu_seconds, memory, *numbers


def in_fresh_process(*job):
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(measure, job)


def table(args):
    size = args.images, args.detections, args.objects, args.classes
    yield (
        f'{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, NumPy '
        f'{np.__version__}; {size[0]:,} images, {size[1]:,} detections, {size[2]:,} objects, '
        f'{size[3]} classes'
    )
    yield ''
    yield '| method | min | median | ours / it | memory | AP | oLRP |'
    yield '|---|--:|--:|--:|--:|--:|--:|'
    reference = None
    for method in METHODS:
        if method.startswith('faster') and not importlib.util.find_spec('faster_coco_eval'):
            continue
        repeat = args.repeat if METHODS[method] in (ours, faster_coco_eval) else args.slow_repeat
        if repeat == 0:
            continue
        seconds, _, memory, ap, olrp = in_fresh_process(method, size, repeat)
        reference = reference or min(seconds)
        cells = [
            method,
            f'{min(seconds):.2f} s',
            f'{statistics.median(seconds):.2f} s',
            f'{reference / min(seconds):.3f}',
            f'{memory / 2**20:.0f} MiB',
            f'{ap:.12f}',
            '' if olrp is None else f'{olrp:.12f}',
        ]
        yield '| ' + ' | '.join(cells) + ' |'


def size_table(args):
    yield (
        f'{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, NumPy '
        f'{np.__version__}; 100 detections and 7.2 objects per image, {args.classes} classes'
    )
    yield ''
    yield '| detections | method | min | CPU | memory | size of the arrays | AP | oLRP |'
    yield '|--:|---|--:|--:|--:|--:|--:|--:|'
    for count in args.sizes:
        for method in SIZES:
            limit = args.max_lists if SIZES[method] == 'lists' else count
            if count > limit or (
                method.startswith('faster') and not importlib.util.find_spec('faster_coco_eval')
            ):
                continue
            size = count // 100, count, count * 72 // 1000, args.classes
            seconds, cpu, memory, ap, olrp = in_fresh_process(method, size, args.repeat)
            arrays = count * 7 * 8 / 2**20  # two ids, four coordinates, a score
            cells = [
                f'{count:,}',
                method,
                f'{min(seconds):.2f} s',
                f'{min(cpu):.2f} s',
                f'{memory / 2**20:.0f} MiB',
                f'{arrays:.0f} MiB',
                f'{ap:.12f}',
                '' if olrp is None else f'{olrp:.12f}',
            ]
            yield '| ' + ' | '.join(cells) + ' |'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--detections', type=int, default=500_000)
    parser.add_argument('--objects', type=int, default=36_000)
    parser.add_argument('--classes', type=int, default=80)
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument(
        '--slow-repeat', type=int, default=1, help='repeats of the methods that take minutes'
    )
    parser.add_argument('--sizes', type=int, nargs='+', help='numbers of detections')
    parser.add_argument(
        '--max-lists',
        type=int,
        default=1_000_000,
        help='with --sizes, do not run methods that take lists of dicts on more detections',
    )
    parser.add_argument('--output', type=Path, help='also write the table to this file')
    args = parser.parse_args()

    write_lines(size_table(args) if args.sizes else table(args), args.output)


if __name__ == '__main__':
    main()
