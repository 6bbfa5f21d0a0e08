"""How tools end with an error, in one process and in several."""

import errno
import json
import runpy
import signal
from pathlib import Path
from unittest import mock

import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from alrp_mmdet.cli import exit_on_error
from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.errors import LOST_CONNECTION, say_how_to_resume, stop

LAUNCH = Path(__file__).parents[1] / 'tools' / 'launch' / 'torchrun.py'


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize('trained', [False, True])
def test_a_run_that_cannot_write(tmp_path, code, trained):
    checkpoint = tmp_path / 'epoch_2.pth'
    if trained:
        checkpoint.touch()
        (tmp_path / 'last_checkpoint').touch()  # a full disk leaves it empty
    error = OSError(code, 'the reason', str(tmp_path / 'epoch_3.pth.partial'))
    with pytest.raises(SystemExit) as stopped, say_how_to_resume(str(tmp_path)):
        raise error
    message = str(stopped.value)
    assert message.startswith('error: ') and '\n' not in message
    assert 'the reason' in message and 'epoch_3.pth' in message
    assert (str(checkpoint) in message and '--resume' in message) == trained


def test_other_errors_keep_their_traceback(tmp_path):
    for error in (FileNotFoundError(errno.ENOENT, 'gone'), RuntimeError('Connection closed')):
        with pytest.raises(type(error)), exit_on_error(), say_how_to_resume(str(tmp_path)):
            raise error


def test_a_tool_that_cannot_write():
    with pytest.raises(SystemExit, match=r'error: .*out\.pkl: no space'), exit_on_error():
        raise OSError(errno.ENOSPC, 'no space', 'out.pkl')


def test_a_process_that_lost_the_others_is_quiet(monkeypatch, capsys):
    monkeypatch.setattr('torch.distributed.is_initialized', lambda: True)
    with pytest.raises(SystemExit) as stopped, exit_on_error():
        raise RuntimeError('[gloo/transport/tcp/pair.cc:538] Connection closed by peer')
    assert stopped.value.code == 1 and capsys.readouterr().err == ''


def test_an_error_of_all_processes_is_told_by_the_first(monkeypatch):
    for rank, code in (('0', 'error: no config'), ('1', 1)):
        monkeypatch.setenv('RANK', rank)
        with pytest.raises(SystemExit) as stopped, exit_on_error():
            raise ConfigError('no config')
        assert stopped.value.code == code
    # An error in a step may be of one process alone.
    monkeypatch.setattr('torch.distributed.is_initialized', lambda: True)
    with pytest.raises(SystemExit, match='error: NaN'), exit_on_error():
        raise FloatingPointError('NaN')


def test_ctrl_c(capsys):
    with pytest.raises(SystemExit) as stopped, exit_on_error():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
    assert capsys.readouterr().err.startswith('error: ')


def test_torchrun_gets_the_message(tmp_path, monkeypatch):
    failures = {}
    for rank, (text, moment) in enumerate([('late', 200), ('early', 100)]):
        file = tmp_path / f'{rank}.json'
        monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(file))
        monkeypatch.setattr('time.time', mock.Mock(return_value=moment))
        with pytest.raises(SystemExit) as stopped:
            stop(text)
        assert stopped.value.code == 1
        assert json.loads(file.read_text())['message']['message'] == f'error: {text}'
        failures[rank] = ProcessFailure(rank, 1000 + rank, 1, str(file))
    failures[2] = ProcessFailure(2, 1002, -15, 'no file')
    launch = runpy.run_path(str(LAUNCH))
    assert launch['first_message'](ChildFailedError('train.py', failures)) == 'error: early'
    only = {2: failures[2]}
    assert launch['first_message'](ChildFailedError('train.py', only)) is None


def test_torchrun_gets_a_lost_connection_only_if_no_process_here_is_the_reason(tmp_path):
    def failure(rank: int, exitcode: int, text: str = '') -> ProcessFailure:
        file = tmp_path / f'{rank}.json'
        extra = dict(py_callstack=text, timestamp=str(100 + rank))
        file.write_text(json.dumps(dict(message=dict(message=text, extraInfo=extra))))
        return ProcessFailure(rank, 1000 + rank, exitcode, str(file) if text else 'no file')

    lost = [failure(rank, 1, LOST_CONNECTION) for rank in range(2)]
    told = failure(2, 1, 'error: NaN')
    killed, ended = failure(3, -signal.SIGKILL), failure(4, -signal.SIGTERM)
    first_message = runpy.run_path(str(LAUNCH))['first_message']
    for failures, message in [
        (lost, LOST_CONNECTION),
        ([lost[0], ended], LOST_CONNECTION),
        ([*lost, told], 'error: NaN'),
        ([*lost, killed], None),
    ]:
        error = ChildFailedError('train.py', {f.local_rank: f for f in failures})
        assert first_message(error) == message
