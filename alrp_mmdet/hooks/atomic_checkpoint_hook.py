from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmdet.registry import HOOKS
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook

from alrp.files import write_atomically


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """Local files that appear whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file beside its place and move it there when it is on the disk.

        Args:
            obj (bytes): Content of the file.
            filepath (str | Path): Its place. What stood there stays until the new file is whole.
        """
        write_atomically(filepath, obj)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """``CheckpointHook`` that always leaves a checkpoint to resume from, whenever it is killed.

    A checkpoint appears under its name only when it is whole, and an outdated one is removed only
    after the new one is there. A model with NaN or infinite weights is not saved: training stops,
    and the checkpoint before it stays the latest. Takes the arguments of ``CheckpointHook``;
    ``backend_args`` other than the default send checkpoints elsewhere, with the guarantees of that
    place. ``save_best`` knows that of LRP, an error, the least is the best.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs):
        super().__init__(*args, backend_args=backend_args or dict(backend='atomic'), **kwargs)

    def _save_checkpoint_with_step(self, runner, step, meta):
        _check_finite(runner.model)
        with self._removing_last():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics):
        with self._removing_last():
            super()._save_best_checkpoint(runner, metrics)

    def _init_rule(self, rules, key_indicators):
        # Not by _default_less_keys: 'top' in 'bbox_laptop_oLRP' would make it greater before.
        if len(rules) == 1:
            rules = rules * len(key_indicators)
        rules = [
            'less' if rule is None and 'oLRP' in key else rule
            for rule, key in zip(rules, key_indicators)
        ]
        super()._init_rule(rules, key_indicators)

    @contextmanager
    def _removing_last(self) -> Iterator[None]:
        """``CheckpointHook`` makes room before it saves; here, what it removes waits till after."""
        backend = self.file_backend
        self.file_backend = _RemovesLater(backend)
        try:
            yield
            for path in self.file_backend.outdated:
                backend.remove(path)
        finally:
            self.file_backend = backend


def _check_finite(model: torch.nn.Module) -> None:
    spoilt = [name for name, x in model.state_dict().items() if not x.isfinite().all()]
    if spoilt:
        raise FloatingPointError(
            f'The weights have become NaN or infinite ({len(spoilt)} tensors, such as '
            f'{spoilt[0]}) and were not saved; the latest checkpoint is good. Lower the learning '
            'rate, or clip gradients (optim_wrapper.clip_grad), and resume'
        )


class _RemovesLater:
    """A file backend that only takes note of what is to be removed."""

    def __init__(self, backend):
        self.backend = backend
        self.outdated = []

    def remove(self, path: str) -> None:
        self.outdated.append(path)

    def __getattr__(self, name: str):
        return getattr(self.backend, name)
