"""Many values are processed part by part."""

from collections.abc import Iterator

import torch

from .devices import avoids_atomics

# Values are processed in chunks, so that the memory of temporaries does not grow with their number.
# On a CPU they stay in its cache. On a GPU, a chunk takes about 30 kernels, 0.15 ms to launch, and
# moves 300 bytes per value, as long for a million values at 2 TB/s. Few values take 16 chunks, so
# that temporaries (40 bytes per value of a chunk) stay smaller than float32 logits.
CPU_CHUNK = 1 << 16
GPU_CHUNK = 1 << 17, 1 << 20  # the smallest and the largest


def chunks(num: int, device: torch.device, row: int = 1, times: int = 1) -> Iterator[slice]:
    """Consecutive parts of ``num`` values, to be processed one by one.

    Args:
        num (int): Number of values.
        device (torch.device): Where they are.
        row (int): Number of values that stay together.
        times (int): Multiplies the size of a part.
    """
    size = CPU_CHUNK
    if avoids_atomics(device):
        size = min(max(num // 16, GPU_CHUNK[0]), GPU_CHUNK[1])
    size = max(size * times // row, 1) * row
    return (slice(start, min(start + size, num)) for start in range(0, num, size))
