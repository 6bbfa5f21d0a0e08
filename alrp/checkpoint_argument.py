"""The checkpoint on a command line: one, although a pattern of the shell may give several."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .files import files_beside

CHECKPOINTS = ('.pth', '.pt', '.ckpt')
ONE = 'one checkpoint at a time, got'


class OneCheckpoint(argparse.Action):
    """Action of an argument with ``nargs='+'``, which must be one checkpoint.

    With ``nargs='*'``, the argument is ``const`` if no checkpoint is given.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if len(values) > 1:
            parser.error(f'{ONE} {" ".join(values)}')
        setattr(namespace, self.dest, values[0] if values else self.const)


def checkpoint_last_problem(inputs: Sequence[str], checkpoint: str) -> str | None:
    """What is wrong with arguments ``INPUT [INPUT ...] CHECKPOINT`` if an input is a checkpoint."""
    found = [x for x in inputs if Path(x).suffix in CHECKPOINTS and not Path(x).is_dir()]
    if not found:
        return None
    if Path(checkpoint).suffix in CHECKPOINTS:
        return f'{ONE} {" ".join([*found, checkpoint])}'
    return f'the checkpoint must be the last argument, got {checkpoint}'


def missing_checkpoint(path: str) -> str | None:
    """A message if a checkpoint is a local file that does not exist."""
    if '://' in path or Path(path).is_file():
        return None
    return f'there is no checkpoint {path}{files_beside(path, ".pth")}'
