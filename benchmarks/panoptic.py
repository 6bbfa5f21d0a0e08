"""Compare the time of panoptic PQ and LRP together with the published way to compute PQ.

Both start from the same JSON files and folders of PNGs, with the same number of processes. Runs are
interleaved, so that other load on the machine affects both. `ours / it` is the ratio of the minima.
Both must agree in PQ.

    pip install kornia-rs    # decodes PNGs faster than OpenCV, which is used otherwise
    python benchmarks/panoptic.py --output benchmarks/panoptic_results.md

- **panopticapi**: `pq_compute` of panopticapi, if it is installed (it is not on PyPI);
- **as panopticapi**: otherwise, the same steps in our own words: Pillow decodes, `np.unique` sorts
  all pixels of the prediction and all pairs, and loops over dicts match the segments.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from output import write_lines
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alrp.lrp import evaluate_panoptic_lrp
from alrp.lrp.panoptic.masks import available_cores

NUM_CATEGORIES = 133
NUM_THINGS = 80
DISTINCT = 50  # images; the others are copies


def make_set(folder, num_images, width, height, num_segments, seed=0):
    """Ground truth and results of random images: cells with wavy borders, some of them VOID.

    A prediction has the same cells with other waves. One in ten has another category.
    """
    rng = np.random.default_rng(seed)
    sides = {'gt': [], 'dt': []}
    for side in sides:
        (folder / side).mkdir()
    for n in range(min(num_images, DISTINCT)):
        centres = rng.uniform(0, [width, height], (num_segments, 2))
        categories = rng.integers(1, NUM_CATEGORIES + 1, num_segments)
        for side, entries in sides.items():
            cells = wavy_cells(rng, centres, width, height)
            if side == 'dt':
                other = rng.uniform(size=num_segments) < 0.1
                categories = np.where(other, rng.integers(1, NUM_CATEGORIES + 1), categories)
            colours = rng.integers(1, 2**24, num_segments)
            colours[0] = 0  # VOID
            ids = colours[cells]
            rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
            Image.fromarray(rgb).save(folder / side / f'{n}.png')
            areas = np.bincount(cells.ravel(), minlength=num_segments).tolist()
            segments = [
                dict(id=i, category_id=c, area=a, iscrowd=int(k % 17 == 1 and c <= NUM_THINGS))
                for k, (i, c, a) in enumerate(zip(colours.tolist(), categories.tolist(), areas))
                if a and i
            ]
            entries.append(dict(image_id=n, file_name=f'{n}.png', segments_info=segments))
    for side, entries in sides.items():
        for n in range(DISTINCT, num_images):
            shutil.copy(folder / side / f'{n % DISTINCT}.png', folder / side / f'{n}.png')
            entries.append(dict(entries[n % DISTINCT], image_id=n, file_name=f'{n}.png'))
    names = [
        dict(id=c, name=f'class {c}', isthing=int(c <= NUM_THINGS))
        for c in range(1, NUM_CATEGORIES + 1)
    ]
    for side, entries in sides.items():
        content = dict(images=[dict(id=n) for n in range(num_images)], annotations=entries)
        (folder / f'{side}.json').write_text(json.dumps(dict(content, categories=names)))


def wavy_cells(rng, centres, width, height):
    """The nearest centre of each pixel, after the pixels have been moved along waves."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for scale, size in ((60, 12), (17, 4), (6, 1.5)):
        a, b, c, d = rng.uniform(0, 6.3, 4)
        dx = size * np.sin(y / scale + a) + size * np.sin((x + y) / scale + b) / 2
        dy = size * np.sin(x / scale + c) + size * np.sin((x - y) / scale + d) / 2
        x, y = x + dx, y + dy
    distance = np.full(x.shape, np.inf, dtype=np.float32)
    cells = np.zeros(x.shape, dtype=np.int64)
    for k, (cx, cy) in enumerate(centres):
        new = (x - cx) ** 2 + (y - cy) ** 2
        closer = new < distance
        distance[closer], cells[closer] = new[closer], k
    return cells


def ours(folder, num_workers):
    files = folder / 'gt.json', folder / 'dt.json'
    return evaluate_panoptic_lrp(*files, num_workers=num_workers).summary['All']['PQ']


def published(folder, num_workers):
    if importlib.util.find_spec('panopticapi') is not None:
        from panopticapi import evaluation

        multiprocessing.cpu_count = lambda: num_workers
        with contextlib.redirect_stdout(io.StringIO()):
            files = str(folder / 'gt.json'), str(folder / 'dt.json')
            return evaluation.pq_compute(*files)['All']['pq']
    truth, results = (json.loads((folder / f'{s}.json').read_text()) for s in ('gt', 'dt'))
    by_image = {entry['image_id']: entry for entry in results['annotations']}
    pairs = [(entry, by_image[entry['image_id']]) for entry in truth['annotations']]
    parts = [(folder, pairs[k::num_workers]) for k in range(num_workers)]
    with multiprocessing.Pool(num_workers) as pool:
        counts = [Counter(), Counter(), Counter(), Counter()]
        for part in pool.starmap(count_part, parts):
            for total, found in zip(counts, part):
                total.update(found)
    iou, tp, fp, fn = counts
    halves = {c: tp[c] + fp[c] / 2 + fn[c] / 2 for c in {*tp, *fp, *fn}}
    return statistics.fmean(iou[c] / halves[c] for c in halves)


def read_ids(path):
    colours = np.array(Image.open(path), dtype=np.uint32)
    return colours[:, :, 0] + 256 * colours[:, :, 1] + 256 * 256 * colours[:, :, 2]


def count_part(folder, pairs):
    """Sums of IoUs, true positives, false positives, false negatives by category."""
    iou_sum, tp, fp, fn = Counter(), Counter(), Counter(), Counter()
    for truth, result in pairs:
        truth_ids = read_ids(folder / 'gt' / truth['file_name'])
        result_ids = read_ids(folder / 'dt' / result['file_name'])
        objects = {segment['id']: segment for segment in truth['segments_info']}
        predictions = {segment['id']: segment for segment in result['segments_info']}
        for i, area in zip(*np.unique(result_ids, return_counts=True)):
            if i in predictions:
                predictions[i]['area'] = area
            elif i != 0:
                raise KeyError(i)
        both = truth_ids.astype(np.uint64) * 256**3 + result_ids.astype(np.uint64)
        shared = {}
        for pair, pixels in zip(*np.unique(both, return_counts=True)):
            shared[pair // 256**3, pair % 256**3] = pixels
        matched = set()
        for (i, j), pixels in shared.items():
            if i not in objects or j not in predictions or objects[i]['iscrowd']:
                continue
            category = objects[i]['category_id']
            if category != predictions[j]['category_id']:
                continue
            void = shared.get((0, j), 0)
            iou = pixels / (predictions[j]['area'] + objects[i]['area'] - pixels - void)
            if iou > 0.5:
                iou_sum[category] += iou
                tp[category] += 1
                matched |= {('truth', i), ('result', j)}
        crowds = {}
        for i, segment in objects.items():
            if segment['iscrowd']:
                crowds[segment['category_id']] = i
            elif ('truth', i) not in matched:
                fn[segment['category_id']] += 1
        for j, segment in predictions.items():
            if ('result', j) in matched:
                continue
            ignored = shared.get((0, j), 0)
            ignored += shared.get((crowds.get(segment['category_id']), j), 0)
            if ignored / segment['area'] <= 0.5:
                fp[segment['category_id']] += 1
    return iou_sum, tp, fp, fn


def table(args, folder):
    decoder = 'kornia-rs' if importlib.util.find_spec('kornia_rs') else 'OpenCV'
    yield (
        f'{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, NumPy '
        f'{np.__version__}; {args.images:,} images of {args.width} x {args.height} pixels, '
        f'{args.segments} segments each, {args.jobs} processes; ours decodes with {decoder}'
    )
    yield ''
    yield '| method | min | median | per image | ours / it | PQ |'
    yield '|---|--:|--:|--:|--:|--:|'
    name = 'panopticapi' if importlib.util.find_spec('panopticapi') else 'as panopticapi'
    methods = {'ours, PQ and LRP': ours, f'{name}, PQ': published}
    seconds = {method: [] for method in methods}
    quality = {}
    for _ in range(args.repeat):
        for method, function in methods.items():
            start = time.perf_counter()
            quality[method] = function(folder, args.jobs)
            seconds[method].append(time.perf_counter() - start)
    reference, *_ = seconds.values()
    for method, times in seconds.items():
        cells = [
            method,
            f'{min(times):.2f} s',
            f'{statistics.median(times):.2f} s',
            f'{1000 * min(times) / args.images:.2f} ms',
            f'{min(reference) / min(times):.3f}',
            f'{quality[method]:.12f}',
        ]
        yield '| ' + ' | '.join(cells) + ' |'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=500)
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=480)
    parser.add_argument('--segments', type=int, default=14, help='per image')
    parser.add_argument('--jobs', type=int, default=available_cores(), help='processes of both')
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--output', type=Path, help='also write the table to this file')
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        size = args.images, args.width, args.height, args.segments
        make_set(Path(folder), *size)
        write_lines(table(args, Path(folder)), args.output)


if __name__ == '__main__':
    main()
