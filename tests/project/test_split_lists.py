"""Lists and folders that name splits are followed, whatever tool wrote them."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from format_writers import write_voc, write_yolo
from load_helpers import load_errors, load_warnings

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.formats import detect_format
from alrp_mmdet.project.formats.paths import split_named

VAL = '0_3', '0_6'


@pytest.fixture
def dataset(tmp_path, content):
    """A folder ``images`` with six images, and ``labels``; no file that describes them."""
    write_yolo(tmp_path, content).unlink()
    return tmp_path


def names_of(data) -> tuple[set[str], set[str]]:
    assert not data.findings.errors, str(data.findings)
    return tuple(
        {Path(image['file_name']).stem for image in split.content['images']}
        for split in (data.train, data.val)
    )


def check_split(source: Path) -> str:
    data = load_data(source)
    assert names_of(data) == ({'0_1', '0_2', '0_4', '0_5'}, set(VAL))
    assert sum(len(s.content['annotations']) for s in (data.train, data.val)) == 9
    return str(data.findings)


def move(dataset: Path, train: str, val: str) -> None:
    """Put images and labels of each split into a folder of its own, side by side."""
    for path in [*dataset.glob('images/*'), *dataset.glob('labels/*')]:
        folder = dataset / (val if path.stem in VAL else train)
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    (dataset / 'images').rmdir()
    (dataset / 'labels').rmdir()


def write_lists(folder: Path, pattern: str, **files: str) -> None:
    """Write a list of images for ``train`` and ``val`` to the given files."""
    for split, name in files.items():
        chosen = [f'0_{i}' for i in range(1, 7) if (f'0_{i}' in VAL) == (split == 'val')]
        (folder / name).write_text('\n'.join(pattern.format(stem) for stem in chosen) + '\n')


@pytest.mark.parametrize('data_file', [True, False])
@pytest.mark.parametrize(
    'train, val', [('Train', 'Validation'), ('train', 'valid'), ('TRAIN', 'VAL')]
)
def test_yolo_of_cvat(dataset, train, val, data_file):
    folders = f'obj_{train}_data', f'obj_{val}_data'
    move(dataset, *folders)
    for split, folder in zip(('train', 'val'), folders):
        name = f'{train if split == "train" else val}.txt'
        write_lists(dataset, f'data/{folder}/{{}}.png', **{split: name})
    (dataset / 'obj.names').write_text('bolt\nnut\nwasher\n')
    if data_file:
        lists = f'{train} = data/{train}.txt\n{val} = data/{val}.txt\n'
        text = f'classes = 3\n{lists}names = data/obj.names\nbackup = backup/\n'
        (dataset / 'obj.data').write_text(text)
        check_split(dataset / 'obj.data')
    assert detect_format(dataset) == 'yolo'
    check_split(dataset)


def test_cvat_with_one_subset_of_another_name(dataset):
    move(dataset, 'obj_batch_data', 'obj_batch_data')
    lines = [f'data/obj_batch_data/{i}.png' for i in ('0_1', '0_2', '0_3', '0_4')]
    (dataset / 'batch.txt').write_text('\n'.join(lines))
    (dataset / 'obj.names').write_text('bolt\nnut\nwasher\n')
    (dataset / 'obj.data').write_text('classes=3\nbatch=data/batch.txt\nnames=data/obj.names\n')
    train, val = names_of(load_data(dataset))
    assert len(train | val) == 4
    assert re.search(r'no split: not used \(2x: 0_5\.png', load_warnings(dataset))
    (dataset / 'obj.data').write_text('classes=2\nbatch=data/batch.txt\nnames=data/obj.names\n')
    with pytest.raises(AnnotationError, match=r'classes is 2.*obj\.names has 3'):
        load_data(dataset)


def test_darknet_takes_the_split_from_the_key_not_from_the_file(dataset):
    write_lists(dataset, 'images/{}.png', train='train.txt', val='test.txt')
    (dataset / 'my.names').write_text('bolt\nnut\nwasher\n')
    (dataset / 'my.data').write_text('train=train.txt\nvalid=test.txt\nnames=my.names\n')
    check_split(dataset)


@pytest.mark.parametrize(
    'pattern', ['images/{}.png', './images/{}.png', '{}', '{}.png', 'C:\\old\\images\\{}.png']
)
def test_lists_next_to_a_file_of_classes(dataset, pattern):
    (dataset / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    write_lists(dataset, pattern, train='Train.TXT', val='validation.txt')
    check_split(dataset)
    (dataset / 'Train.TXT').unlink()  # then the rest is for training
    check_split(dataset)


@pytest.mark.parametrize(
    'train, val', [('train', 'val'), ('Training', 'Validation'), ('train2017', 'val2017')]
)
def test_folders_named_like_splits(dataset, train, val):
    for kind in ('images', 'labels'):
        for path in list((dataset / kind).iterdir()):
            folder = dataset / kind / (val if path.stem in VAL else train)
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name)
    (dataset / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    check_split(dataset)
    (dataset / 'classes.txt').unlink()
    (dataset / 'data.yaml').write_text('train: images\nnames: [bolt, nut, washer]\n')
    assert 'used' in check_split(dataset)


def test_roboflow_folders_without_data_yaml(dataset):
    for path in [*dataset.glob('images/*'), *dataset.glob('labels/*')]:
        folder = dataset / ('valid' if path.stem in VAL else 'train') / path.parent.name
        folder.mkdir(exist_ok=True, parents=True)
        path.rename(folder / path.name)
    for kind in ('images', 'labels'):
        (dataset / kind).rmdir()
    (dataset / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    check_split(dataset)


def test_class_files_that_differ(dataset):
    move(dataset, 'train', 'val')
    (dataset / 'train' / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    shutil.copy(dataset / 'train' / 'classes.txt', dataset / 'val')
    check_split(dataset)
    (dataset / 'val' / 'classes.txt').write_text('nut\nbolt\nwasher\n')
    with pytest.raises(AnnotationError, match=r'train/classes\.txt .*val/classes\.txt'):
        load_data(dataset)


@pytest.mark.parametrize('keys', [('Train', 'Validation'), ('train', 'valid'), ('TRAIN', 'dev')])
def test_keys_and_lists_of_data_yaml(dataset, keys):
    """CVAT's lists start with data/, which is not a folder of the export."""
    write_lists(dataset, 'data/images/{}.png', train='a.txt', val='b.txt')
    content = dict(path='.', names={0: 'bolt', 1: 'nut', 2: 'washer'})
    content |= {keys[0]: 'a.txt', keys[1]: 'b.txt'}
    (dataset / 'data.yaml').write_text(yaml.safe_dump(content))
    check_split(dataset)


def test_lists_next_to_data_yaml(dataset):
    write_lists(dataset, 'images/{}.png', val='Val.txt')
    (dataset / 'data.yaml').write_text('train: images\nnames: [bolt, nut, washer]\n')
    assert 'Val.txt' in check_split(dataset)


def test_images_in_no_list_are_reported(dataset):
    (dataset / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    (dataset / 'train.txt').write_text('0_1\n0_2\n0_4\n')
    (dataset / 'val.txt').write_text('0_3\n')
    assert re.search(r'no split: not used \(2x: 0_5\.png, 0_6\.png\)', load_warnings(dataset))


def test_split_names():
    found = {
        name: split_named(name) for name in ('obj_Train_data', 'val2017', 'TEST', 'testImages')
    }
    assert found == dict(obj_Train_data='train', val2017='val', TEST='test', testImages='test')
    assert split_named('trainval') is split_named('contest') is split_named('train_val') is None


def test_a_missing_folder_is_not_replaced_by_another(dataset):
    """The folder images is not valid/images."""
    text = 'train: images\nval: valid/images\nnames: [bolt, nut, washer]\n'
    (dataset / 'data.yaml').write_text(text)
    assert 'valid/images does not exist' in load_errors(dataset)


def test_capitalised_folders(dataset):
    for name in ('images', 'labels'):
        (dataset / name).rename(dataset / name.capitalize())
    write_lists(dataset, 'Images/{}.png', train='train.txt', val='val.txt')
    (dataset / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    check_split(dataset)
    text = 'train: train.txt\nval: val.txt\nnames: [bolt, nut, washer]\n'
    (dataset / 'data.yaml').write_text(text)
    check_split(dataset)


def test_images_of_an_export_without_images(dataset):
    """CVAT exports labels alone, unless images are asked for."""
    (dataset / 'images').rename(dataset.with_name(f'{dataset.name}_photos'))
    (dataset / 'labels').rename(dataset / 'obj_train_data')
    lines = [f'data/obj_train_data/0_{i}.png' for i in range(1, 7)]
    (dataset / 'train.txt').write_text('\n'.join(lines))
    (dataset / 'obj.names').write_text('bolt\nnut\nwasher\n')
    (dataset / 'obj.data').write_text('train = data/train.txt\nnames = data/obj.names\n')
    data = load_data(dataset, images=dataset.with_name(f'{dataset.name}_photos'))
    assert not data.findings.errors, str(data.findings)
    assert sum(len(s.content['annotations']) for s in (data.train, data.val)) == 9


# -- splits that are not used


@pytest.mark.parametrize('test', ['../test/images', '[a, b]', 'null', '~', 'None', 'lost.txt'])
def test_test_split_that_is_not_there(tmp_path, content, test):
    path = write_yolo(tmp_path, content)
    path.write_text(path.read_text() + f'nc: null\ntest: {test}\n')
    check = load_data(path)
    assert not check.findings.errors, str(check.findings)
    assert len(check.train.content['images']) + len(check.val.content['images']) == 6
    path.write_text(path.read_text().replace('test:', 'val:'))
    errors = load_data(path).findings.errors
    assert bool(errors) == (test not in ('null', '~', 'None'))
    assert not load_data(path, val_fraction=0.5).findings.errors  # replaces val


def test_faults_of_a_test_split_do_not_count(tmp_path, content):
    path = write_yolo(tmp_path, content, test='more')
    (tmp_path / 'more').mkdir()
    for name in ('a', 'b'):
        shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'more' / f'{name}.png')
    (tmp_path / 'more' / 'a.txt').write_text('99 words\n')
    (tmp_path / 'more' / 'lost.txt').write_text('0 .5 .5 .1 .1\n')
    data = load_data(path)
    assert str(data.findings) == str(load_data(write_yolo(tmp_path, content)).findings)
    assert any('test split is not used (2 images)' in note for note in data.notes)
    path = write_yolo(tmp_path, content, val='more')
    assert '99 words' in load_errors(path)


def test_faults_of_voc_test_sets_do_not_count(tmp_path, content):
    write_voc(tmp_path, content)
    sets = tmp_path / 'ImageSets' / 'Main'
    sets.mkdir(parents=True)
    for name, stems in dict(train='0_1 0_2 0_3', val='0_5', test='0_6 lost').items():
        (sets / f'{name}.txt').write_text(stems.replace(' ', '\n'))
    (tmp_path / 'Annotations' / '0_6.xml').write_text('')
    data = load_data(tmp_path)
    assert not data.findings.errors, str(data.findings)
    (sets / 'val.txt').write_text('0_6\nlost')
    found = load_errors(tmp_path)
    assert 'lost' in found and '0_6.xml' in found


def test_folders_named_like_descriptions(dataset):
    (dataset / 'x.yaml').mkdir()
    (dataset / 'x.data').mkdir()
    (dataset / 'classes.txt').write_text('bolt\nnut\nwasher\n')
    assert detect_format(dataset) == 'yolo'
    assert len(load_data(dataset).train.content['images']) > 0
