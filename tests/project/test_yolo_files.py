"""YOLO files as tools write them: class names, encodings, other files beside labels."""

import re
import shutil

import pytest
from format_writers import by_file, write_yolo
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data


@pytest.fixture
def dataset(tmp_path, content):
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    return write_yolo(tmp_path, content)


@pytest.mark.parametrize(
    'names, expected',
    [
        ('[010, 1_000, 0x1F]', ('010', '1_000', '0x1F')),
        ('[yes, off, y]', ('yes', 'off', 'y')),
        ('[1.0, 1e3, .5]', ('1.0', '1e3', '.5')),
        ('[null, 2020-01-01, 1:30]', ('null', '2020-01-01', '1:30')),
        ('{0: 1, 1: True, 2: NaN}', ('1', 'True', 'NaN')),
        ("{'0': a, '1': b, '2': c}", ('a', 'b', 'c')),
        ("{2: c, '0': a, 1: 'no'}", ('a', 'no', 'c')),
        ('{0.: a}', None),
        ('[a, b, [c]]', None),
        ("[a, '', c]", None),
        ('{0: a, 2: b, 3: c}', None),
    ],
)
def test_class_names_are_what_was_written(dataset, names, expected):
    dataset.write_text(f'train: images\nnames: {names}\n')
    if expected is None:
        with pytest.raises(AnnotationError, match='names'):
            load_data(dataset)
    else:
        assert load_data(dataset).train.classes == expected


@pytest.mark.parametrize('nc', ["'3'", '3', '3.0', ''])
def test_number_of_classes_as_text(dataset, nc):
    dataset.write_text(f'train: images\nnames: [a, b, c]\nnc: {nc}\n')
    assert load_data(dataset).train.classes == ('a', 'b', 'c')
    dataset.write_text("train: images\nnames: [a, b, c]\nnc: '2'\n")
    with pytest.raises(AnnotationError, match=r'nc is 2.* 3 '):
        load_data(dataset)


def test_names_in_a_file_of_their_own(dataset, tmp_path):
    (tmp_path / 'my.names').write_text('010\nno\nnull\n')
    dataset.write_text('train: images\nnames: data\\my.names\n')
    assert load_data(dataset).train.classes == ('010', 'no', 'null')


def test_a_blank_class_name_would_shift_the_others(dataset, tmp_path):
    dataset.unlink()
    (tmp_path / 'classes.txt').write_text('bolt\n\nnut\nwasher\n\n')
    with pytest.raises(AnnotationError, match=r'classes\.txt:2\b'):
        load_data(tmp_path)


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-16-le', 'utf-8-sig', 'utf-32'])
def test_unicode_encodings(tmp_path, content, dataset, encoding):
    """PowerShell's > writes UTF-16 with a mark."""
    lists = {'train.txt': 'images\\0_1.png\r\nimages\\0_2.png', 'val.txt': 'images\\0_3.png'}
    yaml = 'train: train.txt\r\nval: val.txt\r\nnames: [bolt, nut, Ж]'
    texts = {'data.yaml': yaml, 'classes.txt': 'bolt\r\nnut\r\nЖ', **lists}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode(encoding))
    for path in (tmp_path / 'labels').iterdir():
        path.write_bytes(path.read_text().encode(encoding))
    for _ in range(2):
        data = load_data(tmp_path)
        assert data.train.classes == ('bolt', 'nut', 'Ж')
        names = [i['file_name'] for s in (data.train, data.val) for i in s.content['images']]
        assert names == ['0_1.png', '0_2.png', '0_3.png']
        assert len(data.val.content['annotations']) == 3
        dataset.unlink(missing_ok=True)  # then classes.txt is read


@pytest.mark.parametrize('name', ['data.yaml', 'classes.txt', 'labels/0_2.txt'])
def test_other_encodings_name_the_file(tmp_path, dataset, name):
    if name == 'classes.txt':
        dataset.unlink()
    text = 'train: images\nnames: [bolt, nut, Schlüssel]' if name == 'data.yaml' else '1 ü\n'
    (tmp_path / name).write_bytes(text.encode('cp1252'))
    with pytest.raises(AnnotationError, match=rf'{name} is not UTF-8'):
        load_data(tmp_path)


@pytest.mark.parametrize(
    'path',
    ['images\\train', '.\\images\\train', 'C:\\data\\images\\train', '/content/images/train'],
)
def test_paths_of_other_machines_in_data_yaml(tmp_path, content, dataset, path):
    for kind in ('images', 'labels'):
        (tmp_path / kind).rename(tmp_path / 'moved')
        (tmp_path / kind).mkdir()
        (tmp_path / 'moved').rename(tmp_path / kind / 'train')
    dataset.write_text(f'path: C:\\data\ntrain: {path}\nnames: [bolt, nut, washer]\n')
    assert load_by_file(dataset).keys() == by_file(content).keys()


def test_other_files_beside_labels(tmp_path, content, dataset):
    for name, text in {
        'notes.txt': 'to do: 2 more images',
        'README.roboflow.txt': 'https://roboflow.com\n1 2 3 words 4\n',
        'classes.txt': 'bolt\nnut\nwasher\n',
        '._0_1.txt': '0 1 1 1 1',
        'Thumbs.db': 'x',
    }.items():
        (tmp_path / 'labels' / name).write_text(text)
    checkpoints = tmp_path / 'images' / '.ipynb_checkpoints'
    checkpoints.mkdir()
    shutil.copy(tmp_path / 'images' / '0_1.png', checkpoints / '0_1-checkpoint.png')
    shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / '._0_1.png')
    assert load_by_file(dataset).keys() == by_file(content).keys()
    (tmp_path / 'labels' / 'lost.txt').write_text('2 .5 .5 .1 .1\n')
    assert re.search(r'without an image \(1x: labels/lost\.txt\)', load_errors(dataset))
    assert 'lost.txt' in load_warnings(dataset, skip_missing=True)


def test_images_that_share_a_label_file(tmp_path, dataset):
    shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / '0_2.jpg')
    assert re.search(r'share a label file.*0_2\.jpg, 0_2\.png', load_errors(dataset))


def test_whole_numbers_written_as_floats(tmp_path, content, dataset):
    """As np.savetxt and pandas write them."""
    for path in (tmp_path / 'labels').iterdir():
        lines = [line.split() for line in path.read_text().splitlines()]
        path.write_text('\n'.join(' '.join(f'{float(v):.18e}' for v in line) for line in lines))
    assert load_by_file(dataset)['0_3.png'][1][0][0] == 'bolt'
    (tmp_path / 'labels' / '0_2.txt').write_text('0.5 .5 .5 .1 .1\n')
    assert re.search(r'class .*0 to 2: .* \(1x: labels/0_2\.txt:1 0\.5', load_errors(dataset))


def test_boxes_with_keypoints_are_no_polygons(tmp_path, dataset):
    for count in (1, 2, 3):
        line = '0 .5 .5 .2 .2' + ' .5 .45 2' * (count - 1) + ' .5 .45 2'
        (tmp_path / 'labels' / '0_2.txt').write_text(line)
        assert re.search(r'keypoints.*\(1x: labels/0_2\.txt:1', load_errors(dataset))
    (tmp_path / 'labels' / '0_2.txt').write_text('0 .5 .5 .2 .2 1 .1 1 0 .2 1')  # a polygon
    assert 'polygons' in load_warnings(dataset)


def test_commas_between_values(tmp_path, dataset):
    expected = load_by_file(dataset)
    for path in (tmp_path / 'labels').iterdir():
        path.write_text(path.read_text().replace(' ', ','))
    assert load_by_file(dataset) == expected


@pytest.mark.parametrize('splits', [False, True])
def test_data_yaml_with_names_only(tmp_path, content, dataset, splits):
    """As supervision writes it."""
    if splits:
        for split, last in (('valid', 2), ('train', 6)):
            for kind in ('images', 'labels'):
                (tmp_path / split / kind).mkdir(parents=True)
                for path in sorted((tmp_path / kind).iterdir()):
                    if int(path.stem[-1]) <= last:
                        path.rename(tmp_path / split / kind / path.name)
        for kind in ('images', 'labels'):
            (tmp_path / kind).rmdir()
    dataset.write_text('names: [bolt, nut, washer]\nnc: 3\n')
    for source in (dataset, tmp_path):
        assert load_by_file(source).keys() == by_file(content).keys()
        names = {image['file_name'] for image in load_data(source).val.content['images']}
        assert not splits or names == {'0_1.png', '0_2.png'}


@pytest.mark.parametrize('separator', [',', ', ', ' ,', ';', '; ', '\t', '  '])
def test_separators_of_values(tmp_path, content, dataset, separator):
    expected = load_by_file(dataset)
    for path in (tmp_path / 'labels').glob('*.txt'):
        path.write_text(path.read_text().replace(' ', separator))
    assert load_by_file(dataset) == expected


def test_decimal_commas_are_refused(tmp_path, dataset):
    (tmp_path / 'labels' / '0_1.txt').write_text('0 0,1 0,1 0,2 0,2\n')
    assert re.search(r'nor a polygon.* \(1x: labels/0_1\.txt:1 0 0,1', load_errors(dataset))


NAMES = 'bolt\nnut\nwasher\n'


@pytest.mark.parametrize(
    'name, text, place',
    [
        ('data.yaml', 'names: [bolt, nut, washer]\n', r"'names' in data\.yaml"),
        ('classes.txt', NAMES, r'classes\.txt'),
        ('obj.data', 'names = obj.names\ntrain = train.txt\n', r'the names file of obj\.data'),
    ],
)
@pytest.mark.parametrize('from_one', [False, True])
def test_classes_without_a_name(tmp_path, dataset, name, text, place, from_one):
    dataset.unlink()
    images = sorted((tmp_path / 'images').iterdir())
    (tmp_path / 'train.txt').write_text(''.join(f'images/{image.name}\n' for image in images))
    if name == 'obj.data':
        (tmp_path / 'obj.names').write_text(NAMES)
    (tmp_path / name).write_text(text)
    for file in (tmp_path / 'labels').glob('*.txt'):
        lines = [line.split(' ', 1) for line in file.read_text().splitlines()]
        shifted = (f'{int(number) + 1} {rest}\n' for number, rest in lines)
        file.write_text(''.join(shifted))
    if not from_one:
        with (tmp_path / 'labels' / '0_1.txt').open('a') as file:
            file.write('0 .5 .5 .1 .1\n')
    found = load_errors(tmp_path if name == 'classes.txt' else tmp_path / name)
    assert re.search(rf'class is not in 0 to 2: add its name to {place}.*1x: labels/0_3', found)
    assert ('do they count from 1?' in found) == from_one
