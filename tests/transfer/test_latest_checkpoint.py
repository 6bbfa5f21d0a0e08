import os

import pytest

from alrp_mmdet.transfer.latest_checkpoint import latest_checkpoint


@pytest.fixture(autouse=True)
def two_checkpoints(tmp_path):
    for seconds, name in ((1, 'epoch_9.pth'), (2, 'epoch_10.pth'), (3, 'epoch_11.pth.partial')):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))


def test_the_one_that_last_checkpoint_names(tmp_path):
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_9.pth'))
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_9.pth')


def test_in_a_copy_of_a_folder(tmp_path):
    copy = tmp_path / 'copy'
    copy.mkdir()
    (copy / 'epoch_9.pth').touch()
    (copy / 'last_checkpoint').write_text(str(tmp_path / 'epoch_9.pth'))
    assert latest_checkpoint(str(copy)) == str(copy / 'epoch_9.pth')


def test_in_a_folder_that_was_moved(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/run/epoch_9.pth')
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_9.pth')


@pytest.mark.parametrize('content', [None, '', '/elsewhere/run/epoch_1', 'epoch_8.pth'])
def test_the_newest_if_last_checkpoint_is_of_no_use(tmp_path, content):
    if content is not None:
        (tmp_path / 'last_checkpoint').write_text(content)
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_10.pth')


def test_on_a_remote_file_system(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('s3://bucket/run/epoch_3.pth')
    assert latest_checkpoint(str(tmp_path)) == 's3://bucket/run/epoch_3.pth'


def test_in_an_empty_folder(tmp_path):
    assert latest_checkpoint(str(tmp_path / 'new')) is None
