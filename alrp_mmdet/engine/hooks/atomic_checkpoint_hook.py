import os
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """Local files that appear whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file beside its place and move it there when it is on the disk.

        Args:
            obj (bytes): Content of the file.
            filepath (str | Path): Its place. What stood there stays until the new file is whole.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A fixed name: what a kill leaves behind is overwritten when the run goes on.
        partial = path.with_name(path.name + '.partial')
        with partial.open('wb') as file:
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """``CheckpointHook`` that always leaves a checkpoint to resume from, whenever it is killed.

    A checkpoint appears under its name only when it is whole, and an outdated one is removed only
    after the new one is there. Takes the arguments of ``CheckpointHook``; ``backend_args`` other
    than the default send checkpoints elsewhere, with the guarantees of that place.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs):
        super().__init__(*args, backend_args=backend_args or dict(backend='atomic'), **kwargs)

    def _save_checkpoint_with_step(self, runner, step, meta):
        # CheckpointHook makes room before it saves. Leave it nothing to remove.
        outdated = None
        kept = self.keep_ckpt_ids
        if self.max_keep_ckpts > 0 and len(kept) == self.max_keep_ckpts and kept[-1] != step:
            outdated = self.file_backend.join_path(
                self.out_dir, self.filename_tmpl.format(kept.popleft())
            )
        super()._save_checkpoint_with_step(runner, step, meta)
        if outdated is not None and is_main_process() and self.file_backend.isfile(outdated):
            self.file_backend.remove(outdated)
