import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmdet.registry import HOOKS
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook

from alrp.files import write_atomically

BEST_NAME = r'best_(.+)_(?:epoch|iter)_\d+\.pth'


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """Local files that are never visible half written."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a temporary file, then rename it.

        Args:
            obj (bytes): Content of the file.
            filepath (str | Path): Path of the file. An existing file is replaced by the rename.
        """
        write_atomically(filepath, obj)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """``CheckpointHook`` that keeps a valid checkpoint to resume from, even if the run is killed.

    A checkpoint file is visible only when it is complete, and an old one is removed only after the
    new one is written. A model with NaN or infinite weights is not saved: training stops, and the
    previous checkpoint stays the latest. Takes the arguments of ``CheckpointHook``. With other
    ``backend_args``, writing is as safe as that backend.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs):
        super().__init__(*args, backend_args=backend_args or dict(backend='atomic'), **kwargs)

    def before_train(self, runner) -> None:
        """Find the earlier checkpoints of a resumed run."""
        # With one metric in save_best, MMEngine stores the best score without the metric's name.
        info = runner.message_hub.runtime_info
        found = re.fullmatch(BEST_NAME, Path(str(info.get('best_ckpt'))).name)
        names = [name.replace('/', '_') for name in self.key_indicators] if self.save_best else []
        if found and names and 'auto' not in names and found[1] not in names:
            score = info.pop('best_score', None)
            runner.logger.warning(
                f'save_best is now {self.save_best}: the best {found[1]} so far, {score}, is not '
                f'compared with it. {info.pop("best_ckpt")} is kept'
            )
        super().before_train(runner)

    def _save_checkpoint_with_step(self, runner, step, meta):
        _check_finite(runner.model)
        with self._removal_after_saving():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics):
        with self._removal_after_saving():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removal_after_saving(self) -> Iterator[None]:
        """Remove old checkpoints after saving; ``CheckpointHook`` removes them before."""
        backend = self.file_backend
        self.file_backend = _DeferredRemoval(backend)
        try:
            yield
            for path in self.file_backend.outdated:
                backend.remove(path)
        finally:
            self.file_backend = backend


def _check_finite(model: torch.nn.Module) -> None:
    weights = {name for name, _ in model.named_parameters()}
    names = [
        name
        for name, x in model.state_dict().items()
        # A buffer may be infinite from the start, such as the mask of an attention.
        if torch.is_tensor(x) and not (x.isfinite() if name in weights else ~x.isnan()).all()
    ]
    if names:
        raise FloatingPointError(
            f'{len(names)} tensors of the model are NaN or infinite, e.g. {names[0]}. The model '
            'was not saved; the latest checkpoint is valid. Reduce the learning rate or clip '
            'gradients (optim_wrapper.clip_grad) in the config, then resume: the new values apply'
        )


class _DeferredRemoval:
    """A file backend that collects the files to remove."""

    def __init__(self, backend):
        self.backend = backend
        self.outdated = []

    def remove(self, path: str) -> None:
        self.outdated.append(path)

    def __getattr__(self, name: str):
        return getattr(self.backend, name)
