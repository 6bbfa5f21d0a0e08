"""Names that differ a little from those of the files: capitalisation, accents, URLs, links."""

import json
import os
import re

import pytest
from format_writers import by_file, make_coco, write_coco, write_voc, write_yolo
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.project.data import load_data


@pytest.fixture
def content(tmp_path):
    return make_coco(tmp_path)


def rename_images(folder, content, new, written):
    """Rename the image files, and the images in the annotations in another way."""
    for image in content['images']:
        name = image['file_name']
        os.rename(folder / 'images' / name, folder / 'images' / new(name))
        image['file_name'] = written(name)


VARIANTS = {
    'suffix': (lambda name: name.replace('.png', '.PNG'), str),
    'stem': (lambda name: f'IMG_{name}', lambda name: f'img_{name}'),
    'accent': (lambda name: f'\u00e4{name}', lambda name: f'a\u0308{name}'),
    'percent': (lambda name: f'a b{name}', lambda name: f'a%20b{name}'),
    'url': (str, lambda name: f'https://host/data/images/{name}?X-Sign={"0" * 300}#x'),
    'cloud': (lambda name: f'a b{name}', lambda name: f's3://bucket/images/a%20b{name}'),
    'label studio': (str, lambda name: f'/data/local-files/?d=images/{name}'),
}


@pytest.mark.parametrize('variant', VARIANTS)
def test_coco(tmp_path, content, variant):
    rename_images(tmp_path, content, *VARIANTS[variant])
    path = write_coco(tmp_path, content)
    data = load_data(path)
    assert not data.findings.errors
    assert re.search(r'\(6x: .*0_1\.png\S* is [^,]*0_1\.(png|PNG), ', str(data.findings))
    assert 'replaced by the names of the files' in str(data.findings)
    written = json.loads(data.train.to_json())
    assert all(data.train.image_path(image).is_file() for image in written['images'])
    assert sum(len(s.content['annotations']) for s in (data.train, data.val)) == 9


def test_some_names_of_coco_differ(tmp_path, content):
    os.rename(tmp_path / 'images' / '0_3.png', tmp_path / 'images' / '0_3.PNG')
    text = load_warnings(write_coco(tmp_path, content))
    assert re.search(r'\(1x: 0_3\.png is 0_3\.PNG\)', text)


@pytest.mark.parametrize('names', [('0_3.PNG', '0_3.Png'), ('masks_0_3.png',)])
def test_a_name_must_be_similar_to_one_file_only(tmp_path, content, names):
    (tmp_path / 'images' / '0_3.png').rename(tmp_path / 'images' / names[0])
    for name in names[1:]:
        (tmp_path / 'images' / name).write_bytes((tmp_path / 'images' / '0_1.png').read_bytes())
    assert '(1x: 0_3.png)' in load_errors(write_coco(tmp_path, content))


@pytest.mark.parametrize('variant', ['suffix', 'stem', 'url'])
def test_lists_of_yolo(tmp_path, content, variant):
    expected = by_file(content, crowds=False)
    source = write_yolo(tmp_path, content, train='train.txt')
    new, written = VARIANTS[variant]
    prefix = '' if variant == 'url' else 'images/'
    lines = [prefix + written(image['file_name']) for image in content['images']]
    (tmp_path / 'train.txt').write_text('\n'.join(lines))
    rename_images(tmp_path, content, new, str)
    for path in (tmp_path / 'labels').glob('*.txt'):
        path.rename(path.with_name(new(f'{path.stem}.png')).with_suffix('.txt'))
    found = load_by_file(source)
    assert sorted(len(v[1]) for v in found.values()) == sorted(len(v[1]) for v in expected.values())


@pytest.mark.parametrize('new', [lambda path: path.with_suffix('.TXT'), lambda path: path])
def test_label_files(tmp_path, content, new):
    source = write_yolo(tmp_path, content)
    expected = load_by_file(source)
    for path in (tmp_path / 'labels').glob('*.txt'):
        path.rename(new(path.with_name(path.name.replace('0_', 'A0_'))))
    rename_images(tmp_path, content, lambda name: f'a{name}', str)
    found = load_by_file(source)
    assert sorted(found.values()) == sorted(expected.values())
    assert '5x: a0_1.txt is A0_1.' in load_warnings(source)


def test_pascal_voc(tmp_path, content):
    write_voc(tmp_path, content)
    expected = load_by_file(tmp_path)
    rename_images(tmp_path, content, lambda name: f'IMG{name}', str)
    for path in (tmp_path / 'Annotations').iterdir():
        path.rename(path.with_name(f'img{path.stem}.XML'))
    main = tmp_path / 'ImageSets' / 'Main'
    main.mkdir(parents=True)
    (main / 'train.txt').write_text('Img0_1\nImg0_2\nImg0_3\nImg0_4\n')
    (main / 'val.txt').write_text('Img0_5\nImg0_6\n')
    assert sorted(load_by_file(tmp_path).values()) == sorted(expected.values())
    assert '6x: 0_1.png is IMG0_1.png' in load_warnings(tmp_path)


def test_linked_folders(tmp_path, content):
    """images/part is a link to another folder, which has a link to images."""
    source = write_yolo(tmp_path, content)
    expected = load_by_file(source)
    for name in ('images', 'labels'):
        (tmp_path / name).rename(tmp_path / f'other_{name}')
        (tmp_path / name).mkdir()
        (tmp_path / name / 'part').symlink_to(tmp_path / f'other_{name}')
    (tmp_path / 'other_images' / 'loop').symlink_to(tmp_path / 'images')
    assert load_by_file(source) == expected
