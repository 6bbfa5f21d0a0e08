"""RS Loss compared with P x P blocks, a loop and bucketed ranking: time, memory, gradient error.

Each measurement is one forward and backward pass in float32, in a fresh process. The error is that
of the gradient, against the exact gradient in float64. Prints two Markdown tables: one of all
methods, and one of many positives, which only rank_sort_loss can handle.

    python benchmarks/rank_sort.py --threads 2 --output benchmarks/rank_sort_results.md
"""

import argparse
import statistics
from pathlib import Path

import torch
from output import write_lines
from ranking_losses import duration, in_fresh_process, machine, make_input, ratio, size

from alrp.ranking import lower_target_sums, rank_sort_loss, with_gradient

EPS = 1e-10
SIZES = [(100, 250_000), (1000, 2_600_000), (5000, 2_600_000)]
MANY_POSITIVES = [(10_000, 1_000_000), (100_000, 100_000), (100_000, 1_000_000)]
DELTAS = 0.5, 1.0


def step(x, delta):
    return (x / (2 * delta) + 0.5).clamp_(0, 1)


def sort_errors(above, targets, pos_targets):
    """Sorting errors of rows of positives, and the pairs that cause them."""
    at_least = pos_targets >= targets[:, None]
    badness = 1 - pos_targets
    allowed = above * at_least
    current = above @ badness / above.sum(1)
    return current - allowed @ badness / allowed.sum(1), above * ~at_least


def loop(logits, targets, delta):
    """One positive at a time, as the paper states it. Negatives below all positives are left out,
    as in published code."""
    with torch.no_grad():
        pos, candidates = targets > 0, targets == 0
        positives, pos_targets = logits[pos], targets[pos]
        candidates &= logits > positives.min() - delta
        negatives = logits[candidates]
        pos_grad, neg_grad = torch.zeros_like(positives), torch.zeros_like(negatives)
        total_rank = total_sort = 0
        for i, logit in enumerate(positives):
            above, over = step(positives - logit, delta), step(negatives - logit, delta)
            count = over.sum()
            rank_error = count / (above.sum() + count)
            [sort_error], [missorted] = sort_errors(
                above[None], pos_targets[i : i + 1], pos_targets
            )
            if count > EPS:
                neg_grad += over * (rank_error / count)
                pos_grad[i] -= rank_error
            if missorted.sum() > EPS:
                pos_grad += missorted * (sort_error / missorted.sum())
                pos_grad[i] -= sort_error
            total_rank, total_sort = total_rank + rank_error, total_sort + sort_error
        grad = torch.zeros_like(logits)
        grad[pos], grad[candidates] = pos_grad / len(positives), neg_grad / len(positives)
        value = (total_rank + total_sort) / len(positives)
    return with_gradient(value, logits, grad)


def bucketed(logits, targets, delta):
    """Bucketed ranking (Yavuz et al., ECCV 2024): sorted, the negatives between two positives count
    as one, with their mean logit. Exact only as delta goes to 0."""
    with torch.no_grad():
        pos, neg = (targets > 0).nonzero()[:, 0], (targets == 0).nonzero()[:, 0]
        positives, order = logits[pos].sort()
        pos, pos_targets = pos[order], targets[pos[order]]
        bucket = torch.searchsorted(positives, logits[neg])
        sizes = torch.zeros(len(positives) + 1, device=logits.device)
        sizes.index_add_(0, bucket, torch.ones_like(logits[neg]))
        means = torch.zeros_like(sizes).index_add_(0, bucket, logits[neg]) / sizes.clamp(min=1)
        above = step(positives - positives[:, None], delta)
        over = step(means - positives[:, None], delta) * sizes
        count = over.sum(1)
        rank_error = count / (above.sum(1) + count)
        sort_error, missorted = sort_errors(above, pos_targets, pos_targets)
        share = torch.where(count > EPS, rank_error / count, 0)
        blame = missorted.sum(1)
        sort_share = torch.where(blame > EPS, sort_error / blame, 0)
        grad = torch.zeros_like(logits)
        grad[neg] = (share @ over / sizes.clamp(min=1))[bucket] / len(pos)
        grad[pos] = (sort_share @ missorted - share * count - sort_share * blame) / len(pos)
        value = (rank_error + sort_error).mean()
    return with_gradient(value, logits, grad)


def ours(logits, targets, delta):
    return sum(rank_sort_loss(logits, targets, delta))


def blocks(logits, targets, delta):
    """``rank_sort_loss``, with the sorting sums computed from P x P matrices."""
    before = lower_target_sums.MAX_PAIRWISE
    lower_target_sums.MAX_PAIRWISE = len(logits)
    try:
        return ours(logits, targets, delta)
    finally:
        lower_target_sums.MAX_PAIRWISE = before


METHODS = {
    'rank_sort_loss': ours,
    'P x P blocks': blocks,
    'plain loop': loop,
    'bucketed': bucketed,
}


def ranked_input(num_pos, num_neg, distribution, device):
    logits, labels, _ = make_input(num_pos, num_neg, distribution, device)
    targets = labels.to(logits.dtype)
    targets[labels == 1] = torch.rand(num_pos, device=device).clamp(min=1e-3)
    return logits, targets


def measure(method, num_pos, num_neg, distribution, delta, device, threads, repeat):
    """Seconds of each pass, bytes of peak memory beyond the input, and the gradient's error
    relative to the norm of the exact gradient."""
    import time

    from ranking_losses import ENOUGH, peak_memory

    torch.set_num_threads(threads)
    METHODS[method](*ranked_input(10, 1000, distribution, device), delta).backward()
    logits, targets = ranked_input(num_pos, num_neg, distribution, device)
    before = peak_memory(device)
    seconds = []
    for _ in range(repeat + 1):
        logits.grad = None
        start = time.perf_counter()
        METHODS[method](logits, targets, delta).backward()
        if device == 'cuda':
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1:
            memory = peak_memory(device) - before
        if sum(seconds) > ENOUGH:
            break
    exact = logits.detach().double().requires_grad_()
    ours(exact, targets, delta).backward()
    error = (logits.grad.double() - exact.grad).norm() / exact.grad.norm()
    return seconds[1:] or seconds, memory, error.item()


def table(args, sizes, methods):
    yield '| logits | P | N | delta | method | min | median | / ours | memory | gradient error |'
    yield '|---|--:|--:|--:|---|--:|--:|--:|--:|--:|'
    for num_pos, num_neg in sizes:
        for distribution in args.distributions:
            for delta in DELTAS:
                job = num_pos, num_neg, distribution, delta, args.device, args.threads, args.repeat
                best = None
                for method in methods:
                    if method == 'plain loop' and num_pos * num_neg > args.max_loop_pairs:
                        continue
                    seconds, memory, error = in_fresh_process(method, *job, function=measure)
                    best = best or min(seconds)
                    cells = [
                        distribution,
                        f'{num_pos:,}',
                        f'{num_neg:,}',
                        f'{delta:g}',
                        method,
                        duration(min(seconds)),
                        duration(statistics.median(seconds)),
                        ratio(min(seconds) / best),
                        f'{memory / 2**20:.0f} MiB',
                        f'{error:.1e}',
                    ]
                    yield '| ' + ' | '.join(cells) + ' |'


def report(args):
    yield machine(args)
    for title, sizes, methods in (
        ('All methods', args.sizes, METHODS),
        ('Many positives', args.many, ['rank_sort_loss']),
    ):
        if sizes:
            yield from ('', f'## {title}', '')
            yield from table(args, sizes, methods)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', choices=['auto', 'cpu', 'cuda'], default='auto')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--sizes', type=size, nargs='*', default=SIZES, metavar='PxN')
    parser.add_argument('--many', type=size, nargs='*', default=MANY_POSITIVES, metavar='PxN')
    parser.add_argument('--distributions', nargs='+', default=['mid', 'trained'])
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--max-loop-pairs', type=float, default=1e10, metavar='P*N')
    parser.add_argument('--output', type=Path, help='also write the tables to this file')
    args = parser.parse_args()
    if args.device == 'auto':
        args.device = 'cuda' if torch.cuda.is_available() else 'cpu'
    write_lines(report(args), args.output)


if __name__ == '__main__':
    main()
