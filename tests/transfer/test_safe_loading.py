import functools
import os
import pickle
import re
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OneCycleLR
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from alrp_mmdet.transfer.safe_loading import CheckpointError, latest_checkpoint


class Payload:
    """A pickle that makes a file when it is loaded."""

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


def test_training_checkpoint_is_loaded_whole(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(training_checkpoint('whole'), path)
    loaded = CheckpointLoader.load_checkpoint(str(path))
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert history.data[0].tolist() == [0.5, 0.25, 2, 3, 1.5]
    assert history.mean() == pytest.approx(7.25 / 5)
    assert history.statistics('max') == 3
    assert loaded['message_hub']['runtime_info']['best_score'] == 0.3


def test_whatever_a_run_may_log_or_schedule_is_loaded(tmp_path):
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


def test_the_workaround_for_other_programs_does_not_disturb(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    torch.save(dict(x=torch.ones(1)), tmp_path / 'good.pth')
    torch.save(dict(x=functools.partial(print, 1)), tmp_path / 'odd.pth')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'good.pth'))['x'] == 1
    with pytest.raises(CheckpointError, match='refused'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'odd.pth'))
    assert os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] == '1'


def test_training_checkpoint_of_the_other_numpy(tmp_path):
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
@pytest.mark.parametrize('scheme', ['', 'http://'])
def test_hostile_pickle_is_refused_and_not_run(tmp_path, monkeypatch, zipped, scheme):
    evil = tmp_path / 'evil.pth'
    torch.save(
        dict(state_dict={}, meta=Payload(tmp_path / 'was_run')),
        evil,
        _use_new_zipfile_serialization=zipped,
    )
    name = str(evil)
    if scheme:  # as if it had been downloaded
        monkeypatch.setenv('TORCH_HOME', str(tmp_path))
        (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
        evil.rename(tmp_path / 'hub' / 'checkpoints' / 'evil.pth')
        name = 'http://example.com/evil.pth'
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(torch.nn.Linear(1, 1), name)
    assert not (tmp_path / 'was_run').exists()
    message = str(error.value)
    assert f'{name} was refused' in message
    assert 'mkdir' in message
    assert 'weights_only' not in message
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


@pytest.mark.parametrize(
    'content, named',
    [
        (functools.partial(print, 1), 'functools.partial'),
        # getattr is on the list for the statistics of a log, and for nothing else.
        (b'\x80\x02cbuiltins\ngetattr\nccollections\nOrderedDict\nX\x04\x00\x00\x00copy\x86R.', ''),
    ],
)
def test_what_no_checkpoint_needs_is_refused(tmp_path, content, named):
    path = tmp_path / 'odd.pth'
    if isinstance(content, bytes):
        torch.save({}, path, _use_new_zipfile_serialization=False)
        path.write_bytes(path.read_bytes().replace(pickle.dumps({}, 2), content, 1))
        named = 'builtins.getattr'
    else:
        torch.save(dict(x=content), path)
    with pytest.raises(CheckpointError, match=f'refused.*{re.escape(named)}'):
        CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize('content', ['cut short', 'cut shorter', 'empty', 'text', 'pickle'])
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
            'pickle': pickle.dumps([object], 4),
        }[content]
    )
    with pytest.raises(CheckpointError, match=r'damaged\.pth cannot be read') as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert 'weights_only' not in str(error.value)


def test_no_connection(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise URLError('Name or service not known')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    monkeypatch.setattr('torch.hub.urlopen', refuse)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(CheckpointError, match=r'resnet50\.pth cannot be downloaded \(Name or'):
        CheckpointLoader.load_checkpoint('https://example.org/resnet50.pth')


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r'There is no checkpoint .*gone\.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'gone.pth'))


class TestLatestCheckpoint:
    @pytest.fixture(autouse=True)
    def two_checkpoints(self, tmp_path):
        for seconds, name in ((1, 'epoch_9.pth'), (2, 'epoch_10.pth'), (3, 'epoch_11.pth.partial')):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (seconds, seconds))

    def test_is_the_one_of_the_note(self, tmp_path):
        (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_9.pth'))
        assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_9.pth')

    def test_is_found_where_the_folder_was_moved(self, tmp_path):
        (tmp_path / 'last_checkpoint').write_text('/elsewhere/run/epoch_9.pth')
        assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_9.pth')

    @pytest.mark.parametrize('note', [None, '', '/elsewhere/run/epoch_1', 'epoch_8.pth'])
    def test_is_the_newest_without_a_note_that_holds(self, tmp_path, note):
        if note is not None:
            (tmp_path / 'last_checkpoint').write_text(note)
        assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_10.pth')

    def test_on_a_remote_file_system(self, tmp_path):
        (tmp_path / 'last_checkpoint').write_text('s3://bucket/run/epoch_3.pth')
        assert latest_checkpoint(str(tmp_path)) == 's3://bucket/run/epoch_3.pth'

    def test_of_an_empty_folder(self, tmp_path):
        assert latest_checkpoint(str(tmp_path / 'new')) is None
