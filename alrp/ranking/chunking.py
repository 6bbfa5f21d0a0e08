"""Many values are processed part by part."""

from collections.abc import Iterator

import torch

from .devices import on_gpu

# Values are processed in chunks, so that temporaries take little memory. On a CPU they stay in its
# cache. On a GPU, launching the 30 kernels of a chunk takes 0.3 ms (on an H200), as long as to
# process a million values. From two million values on, they take 16 chunks, and from 67 million on
# more, so that temporaries (32 bytes per value of a chunk) take at most 128 MiB.
CPU_CHUNK = 1 << 16
GPU_CHUNK = 1 << 17, 1 << 22  # the smallest and the largest


def chunks(num: int, device: torch.device, row: int = 1, times: int = 1) -> Iterator[slice]:
    """Consecutive parts of ``num`` values, to be processed one by one.

    Args:
        num (int): Number of values.
        device (torch.device): Where they are.
        row (int): Number of values that stay together.
        times (int): Multiplies the size of a part.
    """
    size = CPU_CHUNK
    if on_gpu(device):
        size = min(max(num // 16, GPU_CHUNK[0]), GPU_CHUNK[1])
    size = max(size * times // row, 1) * row
    return (slice(start, min(start + size, num)) for start in range(0, num, size))
