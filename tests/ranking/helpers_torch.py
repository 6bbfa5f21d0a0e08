"""What the tests watch torch do."""

import json

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Operations whose result, or the size of whose result, the host must read.
READS = {
    'aten._local_scalar_dense',  # item, tolist, bool, float, int
    'aten.is_nonzero',
    'aten.equal',
    'aten.nonzero',
    'aten.masked_select',
    'aten.unique_dim',
    'aten.unique_consecutive',
    'aten._unique',
    'aten._unique2',
    'aten.repeat_interleave.Tensor',
    'aten.bincount',
    'aten.histc',
    'aten.allclose',
}


class HostReads(TorchDispatchMode):
    """Lists the operations for which a GPU would be waited for, by name and caller."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = str(func)
        is_mask = name.startswith(('aten.index.', 'aten.index_put', 'aten._index_put')) and any(
            x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1]
        )
        if is_mask or name in READS or name.rsplit('.', 1)[0] in READS:
            self.names.append(name)
        return func(*args, **kwargs)


def peak_memory(run, path) -> int:
    """Bytes that torch allocates on the CPU while it runs a function, at the peak."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        run()
    profile.export_chrome_trace(str(path))
    events = [x for x in json.loads(path.read_text())['traceEvents'] if x['name'] == '[memory]']
    total = peak = 0
    for event in sorted(events, key=lambda event: event['ts']):
        total += event['args']['Bytes']
        peak = max(peak, total)
    assert peak > 0
    return peak
