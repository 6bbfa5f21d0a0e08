"""Which inputs are meant, what they are called, and the ids that a COCO file gives them."""

import json
from pathlib import Path

import pytest

from alrp_mmdet.deploy.inputs import InputError, coco_ids, find_inputs, names_of


@pytest.fixture
def folder(tmp_path):
    """Images and videos, beside what is neither."""
    for name in ('a.jpg', 'b/a.JPG', 'b/c.mp4', 'notes.txt', '.hidden.png', '.cache/d.png'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'in' / name).touch()
    return tmp_path / 'in'


def test_folders_are_searched_with_all_their_folders(folder):
    found = find_inputs([str(folder)], leave_out=folder / 'out')
    assert names_of(found) == ['a.jpg', 'b/a.JPG', 'b/c.mp4']


def test_an_earlier_run_in_the_same_folder_is_left_out(folder):
    (folder / 'out' / 'drawn').mkdir(parents=True)
    (folder / 'out' / 'drawn' / 'a.jpg').touch()
    assert len(find_inputs([str(folder)], leave_out=folder / 'out')) == 3
    assert len(find_inputs([str(folder)], leave_out=folder / 'elsewhere')) == 4


def test_a_file_counts_once_and_whatever_its_extension(folder, monkeypatch):
    monkeypatch.chdir(folder)
    paths = find_inputs(['notes.txt', 'a.jpg', str(folder / 'a.jpg'), 'b/../b'], leave_out='out')
    assert names_of(paths) == ['notes.txt', 'a.jpg', 'b/a.JPG', 'b/c.mp4']


def test_equal_names_in_different_folders_stay_apart():
    paths = [Path('/data/one/a.jpg'), Path('/data/two/a.jpg')]
    assert names_of(paths) == ['one/a.jpg', 'two/a.jpg']
    assert names_of(paths[:1]) == ['a.jpg']


@pytest.mark.parametrize(
    'name, message', [('absent', 'no image, video or folder absent'), ('empty', 'neither images')]
)
def test_nothing_to_detect_in(folder, monkeypatch, name, message):
    monkeypatch.chdir(folder)
    Path('empty').mkdir()
    with pytest.raises(InputError, match=message):
        find_inputs([name], leave_out='out')


COCO = dict(
    images=[
        dict(id=7, file_name='a.jpg'),
        dict(id=5, file_name='b/a.jpg'),
        dict(id=3, file_name='c.jpg'),
    ],
    categories=[dict(id=10, name='cat'), dict(id=20, name='dog')],
)


def ids_of(tmp_path, names, content=COCO, classes=('dog', 'cat')):
    path = tmp_path / 'ids.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return coco_ids(str(path), [Path('/data', name) for name in names], classes)


def test_ids_are_those_of_file_names_and_class_names(tmp_path):
    # The longer name is the right one.
    assert ids_of(tmp_path, ['b/a.jpg', 'x/a.jpg', 'c.jpg']) == ([5, 7, 3], [20, 10])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(names=['d.jpg']), 'no image with the file_name of /data/d.jpg'),
        (dict(names=['x/c.jpg', 'y/c.jpg']), '/data/x/c.jpg and /data/y/c.jpg are both image 3'),
        (dict(classes=('bird', 'cat')), 'no category bird'),
        (dict(content='[]'), 'not COCO format'),
        (dict(content='{'), 'not COCO format'),
        (dict(content=dict(COCO, images=[dict(id=1)])), 'not COCO format'),
        (dict(content=dict(COCO, images=[1])), 'not COCO format'),
    ],
)
def test_a_file_that_does_not_have_the_ids(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        ids_of(tmp_path, **{'names': ['a.jpg'], **changes})
