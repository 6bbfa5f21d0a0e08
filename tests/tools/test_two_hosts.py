"""A job on two hosts: network namespaces if they can be created, else loopback addresses."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
KILL = """
import os
import signal
from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class Kill(Hook):
    '''Kills the second host, its launcher included, in the second epoch.'''

    def before_train_iter(self, runner, *args, **kwargs):
        if runner.iter == 3 and runner.rank == 1 and 'KILL' in os.environ:
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
"""
SETTINGS = """
model['bbox_head']['loss_cls'] = dict(type={loss!r}, ranking='global')
custom_imports = dict(imports=['alrp_mmdet', 'kill'])
custom_hooks = [dict(type='Kill')]
default_hooks['checkpoint'] = dict(type='AtomicCheckpointHook', interval=1)
"""


def ip(*args: str) -> bool:
    """Run the command ip; return whether it works."""
    try:
        return subprocess.run(['ip', *args], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def hosts():
    """For each of two hosts: how its commands begin, its address and network interface."""
    names = [f'alrp{os.getpid()}{side}' for side in 'ab']
    with ExitStack() as stack:
        made = ip('netns', 'add', names[0]) and ip('netns', 'add', names[1])
        for name in names:
            stack.callback(ip, 'netns', 'del', name)
        if made and ip('link', 'add', names[0], 'type', 'veth', 'peer', 'name', names[1]):
            for name, address in zip(names, ('10.99.0.1', '10.99.0.2')):
                inside = ('-n', name)
                assert ip('link', 'set', name, 'netns', name)
                assert ip(*inside, 'addr', 'add', f'{address}/24', 'dev', name)
                assert ip(*inside, 'link', 'set', name, 'up')
                assert ip(*inside, 'link', 'set', 'lo', 'up')
            yield [
                (('ip', 'netns', 'exec', name), address, name)
                for name, address in zip(names, ('10.99.0.1', '10.99.0.2'))
            ]
        else:
            yield [((), '127.0.0.1', 'lo'), ((), '127.0.0.2', 'lo')]


def train(hosts, folder: Path, config: Path, *args, kill: bool = False) -> list[int]:
    """Run dist_train.sh on both hosts; return their exit codes."""
    processes = []
    with socket.create_server(('127.0.0.1', 0)) as server:  # a free port
        port = server.getsockname()[1]
    for rank, (prefix, _, interface) in enumerate(hosts):
        env = dict(
            os.environ,
            PYTHON=sys.executable,
            PYTHONPATH=os.pathsep.join((str(folder), str(ROOT))),
            OMP_NUM_THREADS='1',
            NNODES='2',
            NODE_RANK=str(rank),
            MASTER_ADDR=hosts[0][1],
            PORT=str(port),
            GLOO_SOCKET_IFNAME=interface,
        )
        if kill:
            env['KILL'] = '1'
        command = [*prefix, 'bash', ROOT / 'tools' / 'dist_train.sh', config, 1, *args]
        with open(folder / f'host{rank}.log', 'a') as log:
            processes.append(
                subprocess.Popen(
                    [str(arg) for arg in command],
                    cwd=folder,
                    env=env,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
    try:
        return [process.wait(timeout=900) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize('loss', ['aLRPLoss'])
def test_a_run_on_two_hosts_resumes_after_one_was_killed(tmp_path, config, hosts, loss):
    (tmp_path / 'kill.py').write_text(KILL)
    config.write_text(config.read_text() + SETTINGS.format(loss=loss))
    assert train(hosts, tmp_path, config, '--work-dir', 'whole') == [0, 0]
    codes = train(hosts, tmp_path, config, '--work-dir', 'killed', kill=True)
    assert codes[0] == 1 and codes[1] != 0
    log = (tmp_path / 'host0.log').read_text()
    assert 'error: lost the connection' in log and 'Traceback' not in log
    assert (tmp_path / 'killed' / 'last_checkpoint').read_text().endswith('epoch_1.pth')
    assert train(hosts, tmp_path, config, '--work-dir', 'killed', '--resume') == [0, 0]
    whole, resumed = (
        torch.load(tmp_path / run / 'epoch_3.pth', weights_only=False)['state_dict']
        for run in ('whole', 'killed')
    )
    assert whole.keys() == resumed.keys()
    for name, weights in whole.items():
        torch.testing.assert_close(resumed[name], weights, rtol=1e-6, atol=1e-6, msg=name)
    text = (tmp_path / 'host0.log').read_text()
    assert 'gloo' in text and 'resumed' in text.lower()
