"""Trains runs in subprocesses, several at a time."""

import contextlib
import fcntl
import math
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import torch

from .matrix import DATASETS, ROOT, Run
from .rows import METRICS, add_run, read_rows, run_of
from .run_config import config_text
from .training_log import has_diverged, last_line, read_curve

# Of a model without detections; the other metrics are undefined.
DIVERGED = dict(AP=0.0, AP50=0.0, AP75=0.0, oLRP=1.0, oLRP_fn=1.0)


class Trainer:
    """Trains runs and adds their results to a file. What is in the file is not trained again.

    A run that was interrupted resumes from its last checkpoint.

    Args:
        data_root (Path): Folder with a folder per dataset.
        weights (str): File or URL of the pretrained backbone.
        work_dir (Path): Folder for configs, logs and checkpoints.
        jobs (int): Runs at a time, each with one thread. They share the first GPU, if there is one.
    """

    def __init__(self, data_root: Path, weights: str, work_dir: Path, jobs: int):
        self.data_root, self.weights, self.work_dir, self.jobs = data_root, weights, work_dir, jobs
        self.commit = _commit()
        self.device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
        self.processes: set[subprocess.Popen] = set()
        self.stopping = False
        self.lock = threading.Lock()

    def train(self, runs: list[Run], path: Path) -> int:
        """Train all runs that are not in the file.

        Returns:
            int: How many failed.
        """
        done = {run_of(row) for row in read_rows(path)}
        runs = [run for run in dict.fromkeys(runs) if run not in done]
        print(f'{path.name}: {len(runs)} runs to train, {self.jobs} at a time', flush=True)
        started, failed = time.monotonic(), 0
        pool = ThreadPoolExecutor(self.jobs)
        try:
            futures = {pool.submit(self._train, run, path): run for run in runs}
            for number, future in enumerate(as_completed(futures), start=1):
                text = future.result()
                failed += text.startswith('failed')
                each = (time.monotonic() - started) / number
                left = timedelta(seconds=round(each * (len(runs) - number)))
                print(
                    f'[{number}/{len(runs)}] {futures[future].name}: {text}; '
                    f'{left} left, until {datetime.now() + left:%a %H:%M}',
                    flush=True,
                )
        finally:  # also after Ctrl-C
            self.stopping = True
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(self.processes):
                process.terminate()
            pool.shutdown()
            self.stopping = False
        return failed

    def _train(self, run: Run, path: Path) -> str:
        """Train a run; return what to print."""
        folder = self.work_dir / run.name
        with self._only_one(folder) as handle:
            if handle is None:
                return 'stopped'
            if run in {run_of(row) for row in read_rows(path)}:
                return 'done by another process'
            resumed = self._write_config(run, folder)
            code, seconds = self._run_train_tool(run, folder, handle)
            if self.stopping:
                return 'stopped'
            curve = read_curve(folder)
            if code and has_diverged(folder / 'output.txt'):
                result = dict.fromkeys((*METRICS, 'train_loss'), math.nan) | DIVERGED
                text = 'diverged, counts as AP 0'
            elif code or not curve or curve[-1]['epoch'] != run.epochs:
                return f'failed: {last_line(folder / "output.txt")} (see {folder / "output.txt"})'
            else:
                result = {name: curve[-1][name] for name in (*METRICS, 'train_loss')}
                text = f'AP {100 * result["AP"]:.1f}, oLRP {100 * result["oLRP"]:.1f}'
            key = asdict(run)
            row = dict(
                **key,
                **result,
                seconds=math.nan if resumed else round(seconds),
                device=self.device,
                commit=self.commit,
            )
            with self.lock:
                add_run(path, row, [dict(**key, **point) for point in curve])
            for checkpoint in folder.glob('*.pth'):
                checkpoint.unlink()
            return f'{text}, {seconds:.0f} s of one core'

    @contextlib.contextmanager
    def _only_one(self, folder: Path) -> Iterator[int | None]:
        """Wait until no other process trains in a folder.

        Yields:
            int | None: The handle of the lock; None if all runs are being stopped.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.with_name(f'{folder.name}.lock'), os.O_RDWR | os.O_CREAT)
        try:
            while not _lock(handle):
                if self.stopping:
                    yield None
                    return
                time.sleep(0.5)
            folder.mkdir(exist_ok=True)
            yield handle
        finally:
            os.close(handle)

    def _write_config(self, run: Run, folder: Path) -> bool:
        """Write the config; return whether there is a checkpoint of it to resume from."""
        config, text = folder / 'config.py', config_text(run, self.data_root, self.weights)
        same = config.exists() and config.read_text(encoding='utf-8') == text
        resumed = same and _can_resume(run, folder)
        if not resumed:  # remove the logs of an earlier attempt
            shutil.rmtree(folder)
            folder.mkdir()
        config.write_text(text, encoding='utf-8')
        return resumed

    def _run_train_tool(self, run: Run, folder: Path, handle: int) -> tuple[int, float]:
        """Run tools/train.py; return its exit status and its time on all cores, seconds."""
        options = ['--cfg-options', *shlex.split(run.overrides)] if run.overrides else []
        command = [ROOT / 'tools' / 'train.py', folder / 'config.py', '--work-dir', folder]
        with (folder / 'output.txt').open('w') as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, command), '--resume', *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, OMP_NUM_THREADS='1', MKL_NUM_THREADS='1'),
                pass_fds=[handle],  # keeps the folder locked if this process is killed
            )
        self.processes.add(process)
        if self.stopping:
            process.terminate()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.processes.discard(process)
        return process.returncode, usage.ru_utime + usage.ru_stime


def _lock(handle: int) -> bool:
    """Lock a file; return False if another process has locked it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _can_resume(run: Run, folder: Path) -> bool:
    """Whether there is a checkpoint that was evaluated if it was due; resuming does not do that."""
    epochs = [int(path.stem.rpartition('_')[2]) for path in folder.glob('epoch_*.pth')]
    if not epochs:
        return False
    due = max(epochs)
    if due != run.epochs:
        due -= due % DATASETS[run.dataset].val_interval
    return due == 0 or due in {point['epoch'] for point in read_curve(folder)}


def _commit() -> str:
    """The commit that is measured, with ``-dirty`` if code differs from it."""

    def git(*args: str) -> str:
        return subprocess.run(
            ['git', *args], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!*.csv')
        return git('rev-parse', '--short=10', 'HEAD') + ('-dirty' if changed else '')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
