"""Compare time and memory of the ranking losses with focal loss and with Python loops.

Each measurement is one forward and backward pass over P + N float32 logits, in a fresh process.
benchmarks/README.md explains the tables.

    python benchmarks/ranking_losses.py --threads 2 --output benchmarks/results.md
"""

import argparse
import functools
import itertools
import math
import multiprocessing
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from memory import peak_memory as peak_of_process
from output import write_lines

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alrp.ranking import alrp_loss, ap_loss

DELTA = 1.0
# (mean, standard deviation) of the logits of negatives and of positives
LOGITS = {
    'start': ((-4.6, 0.05), (-4.6, 0.05)),
    'mid': ((-4.0, 1.5), (-1.5, 1.5)),
    'trained': ((-9.0, 1.5), (1.0, 1.5)),
}
SIZES = [(500, 1_000_000), (1000, 2_600_000), (1000, 20_000_000)]
GROWTH_OF_N = [(1000, 2**k * 10**6) for k in range(5)]
GROWTH_OF_P = [(4**k * 64, 4_000_000) for k in range(4)]
ENOUGH = 5.0  # seconds; a method is not repeated after that


class PlainLoop(torch.autograd.Function):
    """The losses as the papers state them: one positive at a time against the negatives.

    Computes aLRP Loss with loc_errors, interpolated AP Loss without. With every_pair=False, skips
    negatives that lie below all positives, like the published code. Returns the classification
    loss and the rank of each positive.
    """

    @staticmethod
    def forward(ctx, logits, labels, loc_errors, every_pair):
        positives = logits[labels == 1]
        candidates = labels == 0
        if not every_pair:
            candidates &= logits > positives.min() - DELTA
        negatives = logits[candidates]
        pos_grad, neg_grad = torch.zeros_like(positives), torch.zeros_like(negatives)
        losses, ranks = torch.zeros_like(positives), torch.zeros_like(positives)
        best_precision = 0.0
        for i in positives.argsort():
            over_pos = ((positives - positives[i]) / (2 * DELTA) + 0.5).clamp_(0, 1)
            over_pos[i] = 0
            over_neg = ((negatives - positives[i]) / (2 * DELTA) + 0.5).clamp_(0, 1)
            false_positives = over_neg.sum()
            ranks[i] = rank = 1 + over_pos.sum() + false_positives
            losses[i] = error = false_positives / rank
            if loc_errors is None:
                best_precision = max(best_precision, 1 - error)
                losses[i] = error = 1 - best_precision
            else:
                error = error + (over_pos * loc_errors).sum() / rank
            if false_positives > 1e-5:
                pos_grad[i] = -error
                neg_grad += over_neg * (error / false_positives)
        grad = torch.zeros_like(logits)
        grad[labels == 1] = pos_grad / len(positives)
        grad[candidates] = neg_grad / len(positives)
        ctx.save_for_backward(grad)
        ctx.mark_non_differentiable(ranks)
        return losses.mean(), ranks

    @staticmethod
    def backward(ctx, grad_output, _):
        (grad,) = ctx.saved_tensors
        return grad * grad_output, None, None, None


def loop_ap(logits, labels, loc_errors, every_pair=True):
    loss, _ = PlainLoop.apply(logits, labels, None, every_pair)
    return loss


def loop_alrp(logits, labels, loc_errors, every_pair=True):
    loss_cls, ranks = PlainLoop.apply(logits, labels, loc_errors.detach(), every_pair)
    order = logits.detach()[labels == 1].argsort(descending=True)
    return loss_cls + (loc_errors[order].cumsum(0) / ranks[order]).mean()


def ours_ap(logits, labels, loc_errors):
    return ap_loss(logits, labels, DELTA)


def ours_alrp(logits, labels, loc_errors):
    return sum(alrp_loss(logits, labels, loc_errors, DELTA))


def focal(logits, labels, loc_errors, alpha=0.25, gamma=2.0):
    """Sigmoid focal loss (arXiv 1708.02002, eq. 5) with one binary target per logit."""
    target = labels.to(logits.dtype)
    p = logits.sigmoid()
    missing = (1 - p) * target + p * (1 - target)
    weight = (alpha * target + (1 - alpha) * (1 - target)) * missing.pow(gamma)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction='none') * weight
    return loss.sum() / len(loc_errors)


METHODS = {
    'focal loss': focal,
    'ap_loss': ours_ap,
    'alrp_loss': ours_alrp,
    'published loop, AP': functools.partial(loop_ap, every_pair=False),
    'published loop, aLRP': functools.partial(loop_alrp, every_pair=False),
    'plain loop, AP': loop_ap,
    'plain loop, aLRP': loop_alrp,
}


def make_input(num_pos, num_neg, distribution, device):
    """Logits, labels and localisation errors, created in place to keep the memory peak clean."""
    torch.manual_seed(0)
    of_negatives, of_positives = LOGITS[distribution]
    logits = torch.empty(num_pos + num_neg, device=device).normal_(*of_negatives)
    labels = torch.zeros(num_pos + num_neg, dtype=torch.long, device=device)
    positives = torch.linspace(0, num_neg, num_pos, device=device).long()
    labels[positives] = 1
    logits[positives] = torch.empty(num_pos, device=device).normal_(*of_positives)
    return logits.requires_grad_(), labels, torch.rand(num_pos, device=device, requires_grad=True)


def peak_memory(device):
    if device == 'cuda':
        return torch.cuda.max_memory_allocated()
    return peak_of_process()


def measure(method, num_pos, num_neg, distribution, device, threads, repeat):
    """Seconds per pass, and peak memory in bytes beyond the input (including the gradient)."""
    torch.set_num_threads(threads)

    def one_pass(tensors):
        tensors[0].grad = tensors[2].grad = None
        METHODS[method](*tensors).backward()
        if device == 'cuda':
            torch.cuda.synchronize()

    one_pass(make_input(10, 1000, distribution, device))  # one-time imports and allocations
    tensors = make_input(num_pos, num_neg, distribution, device)
    before = peak_memory(device)
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        one_pass(tensors)
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1:
            memory = peak_memory(device) - before
        if sum(seconds) > ENOUGH:
            break
    return seconds[1:] or seconds, memory


def in_fresh_process(*job, function=measure):
    """Run in a fork of a process that has imported torch but not used it."""
    with multiprocessing.get_context('forkserver').Pool(1) as pool:
        return pool.apply(function, job)


def duration(seconds):
    return f'{seconds * 1e3:.3g} ms' if seconds < 1 else f'{seconds:.3g} s'


def ratio(value):
    return f'{value:.2g}' if value < 100 else f'{value:.0f}'


def comparison(args):
    yield (
        '| logits | P | N | method | min | median | / focal | speed-up over published loop '
        '| over plain loop | memory |'
    )
    yield '|---|--:|--:|---|--:|--:|--:|--:|--:|--:|'
    for num_pos, num_neg in args.sizes:
        for distribution in args.distributions:
            job = num_pos, num_neg, distribution, args.device, args.threads, args.repeat
            measured = {}
            for method in METHODS:
                if 'loop' in method and num_pos * num_neg > args.max_loop_pairs:
                    continue
                measured[method] = in_fresh_process(method, *job)
            best = {method: min(seconds) for method, (seconds, _) in measured.items()}
            for method, (seconds, memory) in measured.items():
                loss = {'ap_loss': 'AP', 'alrp_loss': 'aLRP'}.get(method)
                loops = (f'published loop, {loss}', f'plain loop, {loss}')
                speedups = [
                    f'{ratio(best[loop] / best[method])}x' if loop in best else '' for loop in loops
                ]
                cells = [
                    distribution,
                    f'{num_pos:,}',
                    f'{num_neg:,}',
                    method,
                    duration(best[method]),
                    duration(statistics.median(seconds)),
                    ratio(best[method] / best['focal loss']),
                    *speedups,
                    f'{memory / 2**20:.0f} MiB',
                ]
                yield '| ' + ' | '.join(cells) + ' |'


def growth(args):
    yield '| P | N | alrp_loss, min | ns per N log2 P |'
    yield '|--:|--:|--:|--:|'
    for series in (GROWTH_OF_N, GROWTH_OF_P):
        units = []
        for num_pos, num_neg in series:
            job = num_pos, num_neg, 'mid', args.device, args.threads, args.repeat
            seconds = min(in_fresh_process('alrp_loss', *job)[0])
            units.append(seconds * 1e9 / (num_neg * math.log2(num_pos)))
            yield f'| {num_pos:,} | {num_neg:,} | {duration(seconds)} | {units[-1]:.2f} |'
        grown = 'N' if series is GROWTH_OF_N else 'P'
        yield f'| | | {grown} grows: last / first | {units[-1] / units[0]:.2f} |'


def machine(args):
    name = platform.processor() or platform.machine()
    cpu_info = Path('/proc/cpuinfo')
    if cpu_info.is_file():
        models = [x for x in cpu_info.read_text().splitlines() if x.startswith('model name')]
        name = models[0].split(':')[1].strip() if models else name
    if args.device == 'cuda':
        return f'{torch.cuda.get_device_name()}, torch {torch.__version__}'
    return f'{name}, {args.threads} threads, torch {torch.__version__}'


def size(text):
    num_pos, num_neg = text.split('x')
    return int(num_pos), int(num_neg)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', choices=['auto', 'cpu', 'cuda'], default='auto')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--sizes', type=size, nargs='+', default=SIZES, metavar='PxN')
    parser.add_argument('--distributions', choices=LOGITS, nargs='+', default=list(LOGITS))
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--max-loop-pairs', type=float, default=1e10, metavar='P*N')
    parser.add_argument('--output', type=Path, help='also write the tables to this file')
    args = parser.parse_args()
    if args.device == 'auto':
        args.device = 'cuda' if torch.cuda.is_available() else 'cpu'

    parts = [machine(args), ''], comparison(args), [''], growth(args)
    write_lines(itertools.chain.from_iterable(parts), args.output)


if __name__ == '__main__':
    main()
