"""What the tests watch torch do."""

import json

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operations whose result, or its size, the host reads.
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


TRANSFERS = (torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.__array__)


class HostReads(TorchFunctionMode):
    """Lists what a GPU would be waited for: names of operations, in order.

    A transfer of a whole tensor (``tolist``, ``cpu``) is not an operation on the CPU, so functions
    are watched, too.
    """

    def __init__(self):
        super().__init__()
        self.names = []
        self._copy = None  # on the host, so that reading it waits for nothing
        self._operations = _Operations(self.names)

    def __enter__(self):
        self._operations.__enter__()
        return super().__enter__()

    def __exit__(self, *args):
        super().__exit__(*args)
        self._operations.__exit__(*args)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in TRANSFERS and args[0] is not self._copy:
            self.names.append(func.__name__)
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            self._copy = result
        return result


class _Operations(TorchDispatchMode):
    def __init__(self, names):
        super().__init__()
        self.names = names

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        is_mask = name.startswith(('aten.index.', 'aten.index_put', 'aten._index_put')) and any(
            x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1]
        )
        if is_mask or name in READS or name.rsplit('.', 1)[0] in READS:
            self.names.append(name.split('.')[1])
        return func(*args, **(kwargs or {}))


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
