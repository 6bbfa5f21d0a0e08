"""The images of a COCO file are found in common layouts, whatever machine wrote their names."""

import json
import re
import shutil

import pytest
from format_writers import by_file, make_coco, write_coco
from load_helpers import load_by_file, load_errors, load_warnings

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.datasets.annotation_file import AnnotationFile
from alrp_mmdet.project.data import load_data

LAYOUTS = [  # annotations and images of train and val
    ('annotations/train.json', 'images/train', 'annotations/val.json', 'images/val'),
    (
        'annotations/instances_train2017.json',
        'train2017',
        'annotations/instances_val2017.json',
        'val2017',
    ),
    ('labels/train.json', 'images/train', 'labels/valid.json', 'images/valid'),
    ('train/_annotations.coco.json', 'train', 'valid/_annotations.coco.json', 'valid'),
    ('train/annotations.json', 'train/images', 'val/annotations.json', 'val/images'),
    ('train.json', 'data/Train/imgs', 'val.json', 'data/Validation/imgs'),
    ('a.json', 'images/first', 'b.json', 'images/second'),
]


def test_images_of_another_dataset_are_not_taken(tmp_path, content):
    make_coco(tmp_path / 'mine')
    (tmp_path / 'mine' / 'images' / '0_1.png').unlink()
    path = tmp_path / 'mine' / 'train.json'
    path.write_text(json.dumps(content))  # all images are in tmp_path/images, too
    data = load_data(path, skip_missing=True)
    assert data.train.image_folder == tmp_path / 'mine' / 'images'
    assert re.search(r'1x: 0_1\.png', str(data.findings))


def make_layout(root, layout, same_names: bool) -> tuple:
    """Write two different sets of images; they may have the same names."""
    sources = []
    for seed, (ann_file, folder) in enumerate((layout[:2], layout[2:])):
        content = make_coco(root / f'made_{seed}', seed=seed)
        target = root / folder
        target.mkdir(parents=True, exist_ok=True)
        for image in content['images']:
            new = image['file_name'].removeprefix(f'{seed}_') if same_names else image['file_name']
            (root / f'made_{seed}' / 'images' / image['file_name']).rename(target / new)
            image['file_name'] = new
        (root / f'made_{seed}' / 'images').rmdir()
        (root / f'made_{seed}').rmdir()
        (root / ann_file).parent.mkdir(exist_ok=True, parents=True)
        (root / ann_file).write_text(json.dumps(content))
        sources.append(root / ann_file)
    return sources


@pytest.mark.parametrize('same_names', [False, True])
@pytest.mark.parametrize('layout', LAYOUTS, ids=[layout[1] for layout in LAYOUTS])
def test_layouts(tmp_path, layout, same_names):
    train, val = make_layout(tmp_path, layout, same_names)
    if same_names and layout[0] == 'a.json':  # nothing says which images are whose
        found = load_errors(train, val=val)
        assert re.search(
            r'of the same names; --images .*\(1x: \S*images/second\)',
            found + str(load_data(train, val=val).findings),
        )
        return
    givens = [None, tmp_path / layout[1]]
    if layout[1].startswith('images/'):
        givens.append(tmp_path / 'images')
    for images in givens:
        data = load_data(train, val=val, images=images)
        assert not data.findings.errors, str(data.findings)
        assert data.train.image_folder == tmp_path / layout[1]
        assert data.val.image_folder == tmp_path / layout[3]
        assert 'same names' not in str(data.findings)


@pytest.mark.parametrize(
    'prefix',
    ['images\\', '.\\images\\', 'C:\\Users\\me\\data\\images\\', '/content/data/images/', 'old/'],
)
def test_file_names_of_other_machines(tmp_path, content, prefix):
    expected = by_file(content)
    for image in content['images'][:4]:
        image['file_name'] = prefix + image['file_name']
    path = write_coco(tmp_path, content)
    assert load_by_file(path) == expected
    data = load_data(path)
    assert data.train.ann_file is None
    assert re.search(r'another machine.*\(4x: .*0_1\.png is ', str(data.findings))
    if '\\' in prefix:
        problems = AnnotationFile(str(path), 'train', ('bolt', 'nut', 'washer')).problems(
            str(tmp_path), drop=False
        )
        assert any("'\\'" in problem and 'new-project' in problem for problem in problems)


def test_a_name_may_hold_a_backslash(tmp_path, content):
    content['images'][0]['file_name'] = 'a\\b.png'
    (tmp_path / 'images' / '0_1.png').rename(tmp_path / 'images' / 'a\\b.png')
    path = write_coco(tmp_path, content)
    assert (
        load_data(path, val=write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')).train.ann_file
        == path
    )


def test_folders_of_masks_are_not_preferred(tmp_path, content):
    (tmp_path / 'images').rename(tmp_path / 'views')
    for name in ('SegmentationClass', 'masks', 'label_previews'):
        (tmp_path / name).mkdir()
        for path in (tmp_path / 'views').iterdir():
            (tmp_path / name / path.name).write_bytes(b'')
    path = write_coco(tmp_path, content)
    data = load_data(path)
    assert data.train.image_folder == tmp_path / 'views'
    assert re.search(r'views, but .*--images', load_warnings(path))


def test_few_of_many_images_are_found(tmp_path, content):
    lost = [dict(id=i, file_name=f'lost_{i}.png', width=9, height=9) for i in range(100, 400)]
    content['images'] += lost
    path = write_coco(tmp_path, content)
    assert '0_1.png' in load_by_file(path, skip_missing=True)
    assert re.search(r'300x: lost_100\.png', load_warnings(path, skip_missing=True))


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-8-sig', 'utf-16-be'])
def test_unicode_encodings(tmp_path, content, encoding):
    path = write_coco(tmp_path, content)
    path.write_bytes(path.read_text().encode(encoding))
    assert load_by_file(path) == by_file(content)
    assert load_data(path).train.ann_file is None
    classes = 'bolt', 'nut', 'washer'
    (problem,) = AnnotationFile(str(path), 'train', classes).problems(None, drop=False)
    assert encoding.upper() in problem and 'UTF-8' in problem


def test_other_encodings(tmp_path, content):
    content['categories'][0]['name'] = 'écrou'
    path = write_coco(tmp_path, content)
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode('cp1252'))
    with pytest.raises(AnnotationError, match=r'train\.json: .*UTF-8'):
        load_data(path)


def test_all_folders_with_images_of_the_same_names_are_listed(tmp_path, content):
    for folder in ('voc/pictures', 'rf/train/images', 'yolo'):
        shutil.copytree(tmp_path / 'images', tmp_path / folder)
    path = tmp_path / 'odd.json'
    path.write_text(json.dumps(content))
    shutil.rmtree(tmp_path / 'images')
    text = load_warnings(path)
    used = load_data(path).train.image_folder.relative_to(tmp_path).as_posix()
    assert re.search(rf'images are taken from \S*{used}, .*--images .*\(2x: ', text)
    assert all(folder in text for folder in ('voc/pictures', 'rf/train/images', 'yolo'))
