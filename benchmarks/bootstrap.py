"""Time of the bootstrap that compares two detectors, beside that of evaluating both.

    python benchmarks/bootstrap.py --output benchmarks/bootstrap_results.md

`CPU` is the time of all threads: if it is much less than twice the wall time, something else was
running.
"""

import argparse
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
from synthetic_coco import make_set

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alrp.lrp import compare, evaluate_lrp


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--detections', type=int, default=500000)
    parser.add_argument('--objects', type=int, default=36000)
    parser.add_argument('--classes', type=int, default=80)
    parser.add_argument('--resamples', type=int, default=1000)
    parser.add_argument('--output', metavar='FILE', help='write the table to this file, too')
    return parser.parse_args()


def main():
    args = parse_args()
    size = args.images, args.detections, args.objects, args.classes
    truth, results = make_set(*size)
    rng = np.random.default_rng(1)
    shifted = [
        dict(r, bbox=[r['bbox'][0] + shift, *r['bbox'][1:]])
        for r, shift in zip(results, rng.normal(0, 1, len(results)).tolist())
    ]
    found, rows = {}, []

    def measure(name, function):
        start, cpu = time.perf_counter(), time.process_time()
        found[name] = function()
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        rows.append(f'| {name} | {wall:.1f} s | {cpu:.1f} s |')

    measure('evaluate both', lambda: [evaluate_lrp(truth, r) for r in (results, shifted)])
    name = f'{args.resamples:,} resamples of both'
    measure(name, lambda: compare(*found['evaluate both'], args.resamples))
    lines = [
        f'{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}; '
        f'{args.images:,} images, {args.detections:,} detections of each detector, '
        f'{args.objects:,} objects, {args.classes} classes',
        '',
        '| step | time | CPU |',
        '|---|--:|--:|',
        *rows,
        '',
        '| | difference | 95 % interval |',
        '|---|--:|--:|',
    ]
    for key in ('AP', 'oLRP'):
        d = found[name][key]
        lines.append(f'| {key} | {d.value:+.4f} | {d.low:+.4f} to {d.high:+.4f} |')
    text = '\n'.join(lines) + '\n'
    print(text, end='')
    if args.output is not None:
        Path(args.output).write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
