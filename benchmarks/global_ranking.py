"""What one ranking over several processes costs: bytes and time per step.

Each process has P positives and N negatives, float32 logits in the middle of training. A step is
one forward and backward pass. Prints a Markdown table:

- sent: bytes that a process gives to collective operations in a step;
- on the wire: bytes that it sends to the others, headers included, from the counters of Linux for
  the loopback interface. Other programs count, too, so run it in a network namespace;
- alone: the step without a group, on all processes at once. The rest is communication, and the
  ranking of W times the positives.

    unshare --net sh -c 'ip link set lo up; python benchmarks/global_ranking.py \\
        --output benchmarks/global_ranking_results.md'
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
from output import write_lines
from ranking_losses import duration, machine, make_input
from torch import multiprocessing

from alrp.ranking import alrp_loss, ap_loss, rank_sort_loss

COLLECTIVES = ('all_gather', 'all_reduce')
WARM_UP = 3


def ap(logits, labels, errors, group):
    return ap_loss(logits, labels, group=group)


def alrp(logits, labels, errors, group):
    return sum(alrp_loss(logits, labels, errors, group=group))


def rank_sort(logits, labels, errors, group):
    targets = labels.float()
    targets[labels == 1] = 1 - errors.detach()
    return sum(rank_sort_loss(logits, targets, group=group))


LOSSES = {'AP': ap, 'aLRP': alrp, 'RS': rank_sort}


def loopback_bytes() -> int:
    lines = Path('/proc/net/dev').read_text().splitlines()
    [counters] = (line.split(':')[1].split() for line in lines if line.strip().startswith('lo:'))
    return int(counters[8])


def bytes_sent(step) -> tuple[int, int]:
    """Number of collective operations, and bytes that this process gives to them."""
    sent = []

    def counted(name):
        operation = getattr(dist, name)

        def call(*args, **kwargs):
            sent.append(args[1 if name == 'all_gather' else 0].nbytes)
            return operation(*args, **kwargs)

        return mock.patch.object(dist, name, call)

    with counted(COLLECTIVES[0]), counted(COLLECTIVES[1]):
        step()
    return len(sent), sum(sent)


def measure(rank: int, size: int, store: str, num_pos: int, num_neg: int, args, results) -> None:
    torch.set_num_threads(args.threads)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=size)
    logits, labels, errors = make_input(num_pos, num_neg, 'mid', args.device)
    logits.data += rank / 100
    for name, loss in LOSSES.items():
        row = []
        for group in (dist.group.WORLD, None):

            def step(loss=loss, group=group):
                logits.grad = None
                loss(logits, labels, errors, group).backward()

            for _ in range(WARM_UP):
                step()
            seconds = []
            dist.barrier()
            before = loopback_bytes()
            for _ in range(args.repeat):
                start = time.perf_counter()
                step()
                seconds.append(time.perf_counter() - start)
            row.extend((min(seconds), loopback_bytes() - before))
            dist.barrier()  # after this process has counted
        row.extend(bytes_sent(lambda loss=loss: loss(logits, labels, errors, dist.group.WORLD)))
        if rank == 0:
            results.put((name, *row))
    dist.destroy_process_group()


def table(args):
    yield machine(args)
    yield ''
    yield '| processes | P each | N each | loss | collectives | sent | on the wire | time | alone |'
    yield '|--:|--:|--:|---|--:|--:|--:|--:|--:|'
    for size in args.processes:
        for num_neg in args.negatives:
            results = multiprocessing.get_context('spawn').SimpleQueue()
            with tempfile.TemporaryDirectory() as folder:
                job = size, f'{folder}/store', args.positives, num_neg, args, results
                multiprocessing.spawn(measure, job, size)  # if one fails, ends all
            for _ in LOSSES:
                name, together, wire, alone, _, count, sent = results.get()
                wire = wire / args.repeat / size
                yield (
                    f'| {size} | {args.positives:,} | {num_neg:,} | {name} | {count} | {sent:,} | '
                    f'{wire:,.0f} | {duration(together)} | {duration(alone)} |'
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--processes', type=int, nargs='+', default=[2, 4])
    parser.add_argument('--positives', type=int, default=500, help='of each process')
    parser.add_argument('--negatives', type=int, nargs='+', default=[100_000, 1_000_000])
    parser.add_argument('--repeat', type=int, default=20)
    parser.add_argument('--threads', type=int, default=1)
    parser.set_defaults(device='cpu')
    parser.add_argument('--output', type=Path, help='also write the table to this file')
    args = parser.parse_args()
    os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')
    write_lines(table(args), args.output)


if __name__ == '__main__':
    main()
