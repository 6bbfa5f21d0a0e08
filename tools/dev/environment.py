"""A virtual environment of this checkout, and running commands in it. Standard library only."""

import contextlib
import fcntl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Environment:
    """A virtual environment below the root of the checkout.

    Args:
        folder (Path): Where it is.
        constraints (Path): The versions that pip installs into it.
    """

    folder: Path
    constraints: Path

    @property
    def python(self) -> Path:
        return self.folder / 'bin' / 'python'

    @property
    def log(self) -> Path:
        return self.folder / 'setup.log'

    def pip(self, command: str, *args) -> None:
        pip = (self.python, '-m', 'pip', command, '--disable-pip-version-check')
        self.run(*pip, '-c', self.constraints, *args)

    def run(self, *command) -> str:
        """Run a command and return its output.

        Everything that it prints goes to the log. If it fails, the end of the log is shown.
        """
        command = [str(part) for part in command]
        with self.log.open('a') as log:
            log.write(f'$ {" ".join(command)}\n')
            log.flush()
            process = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True)
            log.write(process.stdout)
        if process.returncode != 0:
            lines = self.log.read_text(errors='replace').splitlines(keepends=True)
            sys.exit(
                f'\n{"".join(lines[-25:])}\nThis command failed: {" ".join(command)}\n'
                f'Full log: {self.log}'
            )
        return process.stdout


@contextlib.contextmanager
def locked(path: Path):
    """Lock a file, so that a second set-up waits for the first."""
    with path.open('a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('Waiting for another set-up to finish ...', flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def step(name: str):
    """Print what is being done, and how long it took."""
    started = time.monotonic()
    print(f'  {name:36s}', end='', flush=True)
    try:
        yield
    except BaseException:
        print(' failed', flush=True)
        raise
    print(f'{time.monotonic() - started:5.0f} s', flush=True)
