"""Images and videos in folders, their names, and their ids in a COCO file."""

import json
from pathlib import Path

import pytest

from alrp_mmdet.deploy.inputs import InputError, find_coco_ids, find_inputs, relative_names


@pytest.fixture
def folder(tmp_path):
    """Images and videos, with other files."""
    for name in ('a.jpg', 'b/a.JPG', 'b/c.mp4', 'notes.txt', '.hidden.png', '.cache/d.png'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'in' / name).touch()
    return tmp_path / 'in'


def test_folders_are_searched_recursively(folder):
    found = find_inputs([str(folder)], exclude=folder / 'out')
    assert relative_names(found) == ['a.jpg', 'b/a.JPG', 'b/c.mp4']


def test_results_of_an_earlier_run_are_excluded(folder):
    (folder / 'out' / 'drawn').mkdir(parents=True)
    (folder / 'out' / 'drawn' / 'a.jpg').touch()
    assert len(find_inputs([str(folder)], exclude=folder / 'out')) == 3
    assert len(find_inputs([str(folder)], exclude=folder / 'elsewhere')) == 4


def test_a_file_is_found_once_and_with_any_extension(folder, monkeypatch):
    monkeypatch.chdir(folder)
    paths = find_inputs(['notes.txt', 'a.jpg', str(folder / 'a.jpg'), 'b/../b'], exclude='out')
    assert relative_names(paths) == ['notes.txt', 'a.jpg', 'b/a.JPG', 'b/c.mp4']


def test_equal_names_in_different_folders_stay_distinct():
    paths = [Path('/data/one/a.jpg'), Path('/data/two/a.jpg')]
    assert relative_names(paths) == ['one/a.jpg', 'two/a.jpg']
    assert relative_names(paths[:1]) == ['a.jpg']


@pytest.mark.parametrize(
    'name, message', [('absent', 'absent$'), ('empty', r'\.jpg.*\.mp4.* empty$')]
)
def test_missing_files_and_empty_folders(folder, monkeypatch, name, message):
    monkeypatch.chdir(folder)
    Path('empty').mkdir()
    with pytest.raises(InputError, match=message):
        find_inputs([name], exclude='out')


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
    return find_coco_ids(str(path), [Path('/data', name) for name in names], classes)


def test_ids_match_file_names_and_class_names(tmp_path):
    # 'b/a.jpg' matches two images; the longer name wins.
    assert ids_of(tmp_path, ['b/a.jpg', 'x/a.jpg', 'c.jpg']) == ([5, 7, 3], [20, 10])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(names=['d.jpg']), 'ids.json .*file_name .*/data/d.jpg'),
        (dict(names=['x/c.jpg', 'y/c.jpg']), '/data/x/c.jpg and /data/y/c.jpg .* image 3 '),
        (dict(classes=('bird', 'cat')), 'ids.json .*category bird'),
        (dict(content='[]'), 'ids.json: not COCO format.* a list'),
        (dict(content='{'), 'ids.json: not JSON .*line 1'),
        (dict(content=dict(COCO, images=[dict(id=1)])), 'ids.json.*file_name'),
        (dict(content=dict(COCO, images=[1])), 'ids.json: not COCO format.*images'),
    ],
)
def test_a_file_without_the_ids(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        ids_of(tmp_path, **{'names': ['a.jpg'], **changes})
