"""Runs a function in several processes that can communicate, for the tests of global rankings."""

import contextlib
import io
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist

COLLECTIVES = ('all_gather', 'all_reduce', 'broadcast', 'broadcast_object_list')


def run_processes(size: int, work, folder: Path, timeout: float = 200) -> list:
    """What ``work(rank)`` returns in each process, or the exception that it raises."""
    context = multiprocessing.get_context('fork')
    meeting = folder / f'meeting_{len(list(folder.iterdir()))}'

    def run(rank: int, results: Connection) -> None:
        signal.alarm(int(timeout) + 60)  # kills this process if the test was killed
        torch.set_num_threads(1)
        dist.init_process_group('gloo', init_method=f'file://{meeting}', rank=rank, world_size=size)
        try:
            result = work(rank)
        except Exception as error:
            result = error
        content = io.BytesIO()
        torch.save(result, content)
        results.send_bytes(content.getvalue())
        signal.pause()

    processes, found = [], []
    with mock.patch.dict('os.environ', GLOO_SOCKET_IFNAME='lo'):
        for rank in range(size):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=run, args=(rank, sender))
            process.start()
            sender.close()
            processes.append((process, receiver))
    deadline = time.monotonic() + timeout
    try:
        for rank, (_, receiver) in enumerate(processes):
            assert receiver.poll(max(deadline - time.monotonic(), 0)), f'process {rank} hangs'
            found.append(torch.load(io.BytesIO(receiver.recv_bytes()), weights_only=False))
    finally:
        # A forked process may hang when it ends, in the threads of Gloo or of autograd.
        for process, _ in processes:
            process.kill()
            process.join()
    return found


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
