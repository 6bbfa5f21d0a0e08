"""Runs a function in several processes that can communicate, for the tests of global rankings."""

import contextlib
import multiprocessing
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist

COLLECTIVES = ('all_gather', 'all_reduce', 'broadcast', 'broadcast_object_list')


def run_processes(size: int, work, folder: Path, timeout: float = 200) -> list:
    """What ``work(rank)`` returns in each process, or the exception that it raises."""
    context = multiprocessing.get_context('fork')
    meeting = folder / f'meeting_{len(list(folder.iterdir()))}'
    meeting.mkdir()

    def run(rank: int) -> None:
        torch.set_num_threads(1)
        dist.init_process_group(
            'gloo', init_method=f'file://{meeting}/store', rank=rank, world_size=size
        )
        try:
            result = work(rank)
        except Exception as error:
            result = error
        torch.save(result, meeting / f'{rank}.pth')
        dist.barrier()
        dist.destroy_process_group()

    with mock.patch.dict('os.environ', GLOO_SOCKET_IFNAME='lo'):
        processes = [context.Process(target=run, args=(rank,)) for rank in range(size)]
        for process in processes:
            process.start()
    for process in processes:
        process.join(timeout)
    hung = [process for process in processes if process.is_alive()]
    for process in hung:
        process.kill()
    assert not hung, f'{len(hung)} processes hang'
    assert [process.exitcode for process in processes] == [0] * size
    return [torch.load(meeting / f'{rank}.pth', weights_only=False) for rank in range(size)]


@contextlib.contextmanager
def counting_collectives():
    """A list of (name, bytes that this process contributes) of each collective operation."""
    calls = []

    def counted(name, operation):
        def call(first, second=None, *args, **kwargs):
            sent = second if name == 'all_gather' else first
            calls.append((name, sent.nbytes if torch.is_tensor(sent) else 0))
            second = () if second is None else (second,)
            return operation(first, *second, *args, **kwargs)

        return call

    with contextlib.ExitStack() as stack:
        for name in COLLECTIVES:
            operation = counted(name, getattr(dist, name))
            stack.enter_context(mock.patch.object(dist, name, operation))
        yield calls
