import functools
import os
import pickle
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OneCycleLR
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from alrp_mmdet.transfer.safe_loading import CheckpointError, install_safe_loading

# Calls getattr(collections.OrderedDict, 'copy').
GETATTR = b'\x80\x02cbuiltins\ngetattr\nccollections\nOrderedDict\nX\x04\x00\x00\x00copy\x86R.'


class Payload:
    """Its pickle creates a directory when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def training_checkpoint(name: str) -> dict:
    """What MMEngine puts into the checkpoint of a run."""
    hub = MessageHub.get_instance(name)
    for value in (torch.tensor(0.5), np.float64(0.25), np.float32(2), np.int64(3), 1.5):
        hub.update_scalar('train/loss', value)
    hub.update_info('best_score', np.float64(0.3))
    hub.update_info('counts', np.arange(3, dtype=np.int32))
    hub.update_info('flag', np.bool_(True))
    return dict(state_dict=dict(weight=torch.ones(2)), message_hub=hub.state_dict())


def save_raw(pickled: bytes, path):
    """A checkpoint file with a given pickle."""
    torch.save({}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(pickle.dumps({}, 2), pickled, 1))


def test_training_checkpoint_is_loaded_completely(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(training_checkpoint('whole'), path)
    loaded = CheckpointLoader.load_checkpoint(str(path))
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert history.data[0].tolist() == [0.5, 0.25, 2, 3, 1.5]
    assert history.mean() == pytest.approx(7.25 / 5)
    assert history.statistics('max') == 3
    assert loaded['message_hub']['runtime_info']['best_score'] == 0.3


def test_all_types_that_a_run_may_log_or_schedule_are_loaded(tmp_path):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    content = dict(
        param_schedulers=[OneCycleLR(optimizer, eta_max=0.1, total_steps=9).state_dict()],
        meta=dict(dataset_meta=ConfigDict(classes=('a', 'b'))),
        logged=[np.zeros(2, dtype) for dtype in ('u1', 'f2', 'i8', 'c16', 'bool')],
        names=np.array(['a', 'bc']),
    )
    torch.save(content, tmp_path / 'epoch_1.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'))
    assert loaded['param_schedulers'] == content['param_schedulers']
    assert loaded['meta'] == content['meta']
    assert [x.dtype for x in loaded['logged']] == [x.dtype for x in content['logged']]
    assert loaded['names'].tolist() == ['a', 'bc']


def test_torch_load_reads_training_checkpoints_too(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(training_checkpoint('plain'), path)
    CheckpointLoader.load_checkpoint(str(path))  # onedl-mmengine shrinks the allow list afterwards
    loaded = torch.load(path, weights_only=True)
    assert loaded['message_hub']['log_scalars']['train/loss'].current() == 1.5


def test_environment_variable_against_safe_loading_has_no_effect(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    torch.save(dict(x=torch.ones(1)), tmp_path / 'good.pth')
    torch.save(dict(x=functools.partial(print, 1)), tmp_path / 'odd.pth')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'good.pth'))['x'] == 1
    with pytest.raises(CheckpointError, match=r'odd\.pth was refused.*functools\.partial'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'odd.pth'))


def test_training_checkpoint_of_the_other_numpy_major(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(training_checkpoint('other'), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    here, there = b'cnumpy._core.multiarray\n', b'cnumpy.core.multiarray\n'
    if here not in content:
        here, there = there, here
    assert here in content
    path.write_bytes(content.replace(here, there))
    loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['message_hub']['log_scalars']['train/loss'].current() == 1.5


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('scheme', ['', 'http://', 's3://', 'openmmlab://', 'torchvision://'])
def test_hostile_pickle_is_refused_and_not_run(tmp_path, monkeypatch, capsys, zipped, scheme):
    evil = tmp_path / 'evil.pth'
    torch.save(
        dict(state_dict={}, meta=Payload(tmp_path / 'was_run')),
        evil,
        _use_new_zipfile_serialization=zipped,
    )
    name = f'{scheme}evil.pth' if scheme else str(evil)
    url, module = 'http://example.com/evil.pth', 'mmengine.runner.checkpoint'
    if scheme in ('http://', 'torchvision://'):  # as if it had been downloaded
        monkeypatch.setenv('TORCH_HOME', str(tmp_path))
        (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
        evil.rename(tmp_path / 'hub' / 'checkpoints' / 'evil.pth')
    if scheme == 'http://':
        name = url
    elif scheme == 'torchvision://':
        monkeypatch.setattr(f'{module}.get_torchvision_models', lambda: {'evil.pth': url})
    elif scheme == 'openmmlab://':
        monkeypatch.setattr(f'{module}.get_external_models', lambda: {'evil.pth': str(evil)})
    elif scheme == 's3://':
        backend = SimpleNamespace(get=lambda _: evil.read_bytes())
        monkeypatch.setattr(f'{module}.get_file_backend', lambda *_, **__: backend)
    load, allowed = torch.load, set(torch.serialization.get_safe_globals())
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(torch.nn.Linear(1, 1), name)
    assert not (tmp_path / 'was_run').exists()
    message = str(error.value)
    assert f'{name} was refused' in message
    assert 'mkdir' in message
    assert 'weights_only' not in message + capsys.readouterr().out
    assert torch.load is load
    assert set(torch.serialization.get_safe_globals()) == allowed


def test_types_that_no_checkpoint_needs_are_refused(tmp_path):
    torch.save(dict(x=functools.partial(print, 1)), tmp_path / 'odd.pth')
    with pytest.raises(CheckpointError, match=r'odd\.pth was refused.*functools\.partial'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'odd.pth'))


def test_getattr_is_for_the_methods_of_a_log_only(tmp_path):
    save_raw(GETATTR, tmp_path / 'odd.pth')
    with pytest.raises(CheckpointError, match=r'odd\.pth was refused.*builtins\.getattr'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'odd.pth'))


def fall_back(filename, map_location=None):
    """Loads as onedl-mmengine does."""
    try:
        with torch.serialization.safe_globals([getattr]):
            return torch.load(filename, map_location, weights_only=True)
    except pickle.UnpicklingError:
        return torch.load(filename, map_location, weights_only=False)


@pytest.mark.parametrize('harm', ['getattr', 'unsafe'])
def test_a_loader_can_neither_extend_the_allow_list_nor_ignore_it(tmp_path, monkeypatch, harm):
    path = tmp_path / 'evil.pth'
    if harm == 'getattr':
        save_raw(GETATTR, path)
    else:
        torch.save(Payload(tmp_path / 'was_run'), path)
    monkeypatch.setattr(CheckpointLoader, '_schemes', {'': fall_back})
    fall_back(str(path))  # so that the refusal below is not the file's fault
    if harm == 'unsafe':
        (tmp_path / 'was_run').rmdir()
    install_safe_loading()
    with pytest.raises(CheckpointError, match=r'evil\.pth was refused'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not (tmp_path / 'was_run').exists()


def test_installing_twice_changes_nothing():
    loaders = dict(CheckpointLoader._schemes)
    allowed = set(torch.serialization.get_safe_globals())
    install_safe_loading()
    assert CheckpointLoader._schemes == loaders
    assert set(torch.serialization.get_safe_globals()) == allowed


@pytest.mark.parametrize('content', ['cut short', 'cut shorter', 'empty', 'text', 'yaml', 'pickle'])
def test_damaged_file(tmp_path, content):
    path = tmp_path / 'damaged.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(9999))), path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            'cut short': whole[: len(whole) // 2],  # torch's error depends on the length
            'cut shorter': whole[:1000],
            'empty': b'',
            'text': b'hello',
            'yaml': b'train: a',
            'pickle': pickle.dumps([object], 4),
        }[content]
    )
    with pytest.raises(CheckpointError, match=r'cannot read .*damaged\.pth') as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert 'weights_only' not in str(error.value)


def test_no_connection(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise URLError('Name or service not known')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    monkeypatch.setattr('torch.hub.urlopen', refuse)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(CheckpointError, match=r'cannot download .*resnet50\.pth \(Name or'):
        CheckpointLoader.load_checkpoint('https://example.org/resnet50.pth')


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r'there is no checkpoint .*gone\.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'gone.pth'))
