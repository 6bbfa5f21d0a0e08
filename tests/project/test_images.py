"""Images that the loader changes, cannot read, or does not find."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_writers import by_file, make_coco, write_coco, write_voc, write_yolo
from load_helpers import load_by_file, load_errors, load_warnings
from PIL import Image

from alrp_mmdet.datasets.image_files import DEEP, FRAMES, TRANSPARENT, inspect_images
from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.formats import Split
from alrp_mmdet.project.preview import _choose_images


def rotate(path: Path, orientation: int, stored: str = 'JPEG') -> None:
    """Add an EXIF orientation without touching the pixels."""
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
    exif[0x0112] = orientation
    image.convert('RGB').save(path, stored, exif=exif)


# -- EXIF


@pytest.mark.parametrize('orientation', [2, 3, 6, 8])
@pytest.mark.parametrize('stored', ['JPEG', 'PNG'])
def test_exif_orientation_of_yolo(tmp_path, content, orientation, stored):
    rotate(tmp_path / 'images' / '0_2.png', orientation, stored)
    rotate(tmp_path / 'images' / '0_3.png', orientation, stored)
    found = load_warnings(write_yolo(tmp_path, content))
    where = rf'0_2\.png \(orientation {orientation}\), 0_3\.png'
    assert re.search(rf'annotations\.png \(2x: {where}', found), found


@pytest.mark.parametrize('write', [write_coco, write_voc])
def test_exif_orientation_that_keeps_the_size(tmp_path, content, write):
    rotate(tmp_path / 'images' / '0_2.png', 3)
    rotate(tmp_path / 'images' / '0_4.png', 6)  # a square
    source = write(tmp_path, content)
    source = tmp_path if write is write_voc else source
    found = load_warnings(source, val_fraction=0.5)
    assert re.search(r'EXIF.* \(2x: 0_2\.png \(orientation 3\), 0_4\.png', found)


def test_exif_orientation_of_annotations_on_the_rotated_image(tmp_path, content):
    content['images'][1].update(width=60, height=80)
    rotate(tmp_path / 'images' / '0_2.png', 6)
    rotate(tmp_path / 'images' / '0_3.png', 1)
    assert 'EXIF' not in load_warnings(write_coco(tmp_path, content))


def test_preview_shows_rotated_images_first(tmp_path, content):
    split = Split('source', content, tmp_path / 'images', doubtful={6})
    assert _choose_images(split, split.annotations_by_image())[0]['id'] == 6


# -- pixels


def write_deep_grey(path):
    camera = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    return cv2.imwrite(str(path), camera)


def write_deep_colour(path):
    camera = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    return cv2.imwrite(str(path), cv2.merge([camera] * 3))


def write_float(path):
    return cv2.imwrite(str(path), np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64))


def write_transparent(path):
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[:9] = 0
    return Image.fromarray(pixels).save(path)


def write_transparent_palette(path):
    image = Image.fromarray(np.eye(64, dtype=np.uint8) * 9).convert('P')
    return image.save(path, transparency=0)


def write_frames(path):
    first, second = (Image.new('RGB', (64, 64), colour) for colour in ('red', 'blue'))
    return first.save(path, save_all=True, append_images=[second])


@pytest.mark.parametrize(
    'suffix, write, text, detail',
    [
        ('.png', write_deep_grey, DEEP, 'values 0 to 4095 become 0 to 1[56]'),
        ('.png', write_deep_colour, DEEP, 'values 0 to 4095 become 0 to 1[56]'),
        ('.tif', write_deep_grey, DEEP, 'values 0 to 4095 become 0 to 1[56]'),
        ('.tif', write_deep_colour, DEEP, 'values 0 to 4095 become'),
        ('.pgm', write_deep_grey, DEEP, 'values 0 to 4095 become'),
        ('.png', write_transparent, TRANSPARENT, 'alpha from 0'),
        ('.png', write_transparent_palette, TRANSPARENT, 'alpha from 0'),
        ('.tif', write_frames, FRAMES, '2 images'),
        ('.gif', write_frames, FRAMES, '2 images'),
    ],
)
def test_pixels_that_the_loader_changes(tmp_path, content, suffix, write, text, detail):
    path = tmp_path / 'images' / f'0_4{suffix}'
    (tmp_path / 'images' / '0_4.png').unlink()
    write(path)
    content['images'][3]['file_name'] = path.name
    found = load_warnings(write_coco(tmp_path, content))
    assert text in found
    assert re.search(rf'\(1x: 0_4{suffix} \({detail}', found), found
    others = {DEEP, TRANSPARENT, FRAMES} - {text}
    assert not any(other in found for other in others)


def test_ordinary_images_give_no_warning(tmp_path):
    picture = Image.effect_noise((64, 64), 50)
    for mode, name in [('L', 'a.png'), ('1', 'b.png'), ('P', 'c.png'), ('CMYK', 'd.jpg')]:
        picture.convert(mode).save(tmp_path / name)
    picture.convert('RGBA').save(tmp_path / 'e.png')
    files = inspect_images(sorted(tmp_path.iterdir()))
    assert len(files) == 5
    for file in files.values():
        assert (file.problem, file.changes, file.width) == (None, {}, 64)


def test_what_opencv_cannot_decode_is_an_error(tmp_path, content):
    Image.new('RGB', (64, 48)).save(tmp_path / 'images' / '0_1.png', 'TGA')
    (tmp_path / 'images' / '0_2.png').write_bytes(b'')
    write_float(tmp_path / 'images' / '0_3.tiff')  # 32 bits
    content['images'][2].update(file_name='0_3.tiff', width=64, height=64)
    found = load_errors(write_coco(tmp_path, content))
    examples = r'0_1\.png .*OpenCV.*0_2\.png .*0_3\.tiff .*OpenCV'
    assert re.search(rf'unusable images \(3x: {examples}', found)


# -- missing


def lose(folder: Path) -> None:
    """One image is missing, one is truncated; they have 1 and 2 of nine objects."""
    (folder / 'images' / '0_1.png').unlink()
    whole = (folder / 'images' / '0_2.png').read_bytes()
    (folder / 'images' / '0_2.png').write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize('write', [write_coco, write_voc, write_yolo])
def test_missing_images_can_be_left_out(tmp_path, content, write):
    source = write(tmp_path, content, **(dict(train='list.txt') if write is write_yolo else {}))
    source = tmp_path if write is write_voc else source
    (tmp_path / 'list.txt').write_text('\n'.join(f'images/0_{i}.png' for i in range(1, 7)))
    lose(tmp_path)
    assert '--skip-missing' in load_errors(source)
    warnings = load_warnings(source, skip_missing=True)
    assert re.search(r'left out: .*not found.*1x: .*0_1\.png', warnings)
    assert re.search(r'left out: unusable.*1x: 0_2\.png', warnings)
    assert load_by_file(source, skip_missing=True).keys() == {f'0_{i}.png' for i in range(3, 7)}
    data = load_data(source, skip_missing=True)
    assert sum(len(s.content['annotations']) for s in (data.train, data.val)) == 6
    assert data.train.ann_file is None


def test_missing_entries_of_lists_can_be_left_out(tmp_path, content):
    write_voc(tmp_path, content)
    (tmp_path / 'train.txt').write_text('0_1\n0_2\n0_9\n')
    (tmp_path / 'val.txt').write_text('0_5\n')
    assert re.search(r'train\.txt:3 0_9\.xml', load_errors(tmp_path))
    assert re.search(
        r'left out: .*train\.txt:3 0_9\.xml', load_warnings(tmp_path, skip_missing=True)
    )


@pytest.mark.parametrize('text', [b'', b'<annotation>', b'<annotation>\xe9</annotation>'])
def test_xml_files_that_cannot_be_read_can_be_left_out(tmp_path, content, text):
    write_voc(tmp_path, content)
    (tmp_path / 'Annotations' / '0_2.xml').write_bytes(text)
    assert re.search(r'0_2\.xml(.|\n)*--skip-missing', load_errors(tmp_path))
    assert re.search(r'left out: .*0_2\.xml', load_warnings(tmp_path, skip_missing=True))
    assert len(load_by_file(tmp_path, skip_missing=True)) == 5


def test_everything_missing_is_still_an_error(tmp_path, content):
    source = write_coco(tmp_path, content)
    for image in content['images']:
        (tmp_path / 'images' / image['file_name']).write_bytes(b'')
    found = load_errors(source, skip_missing=True)
    assert 'no images for train' in found


# -- the same images twice


def test_validation_on_the_training_images(tmp_path, content):
    path = write_yolo(tmp_path, content, val='images')  # as in coco128.yaml
    found = load_errors(path)
    assert re.search(r'for example 0_1\.png, 0_2\.png: --val-fraction .* instead\n', found)
    data = load_data(path, val_fraction=0.34)
    assert not data.findings.errors
    assert [len(s.content['images']) for s in (data.train, data.val)] == [4, 2]
    train = write_coco(tmp_path, content)
    assert re.search(r'all 6 validation images.*--val-fraction', load_errors(train, val=train))


def test_the_same_image_in_both_splits(tmp_path, content):
    """0_4 has no objects, such as a black frame."""
    other = make_coco(tmp_path, seed=1)
    shutil.copy(tmp_path / 'images' / '0_4.png', tmp_path / 'images' / '1_4.png')
    path, val = write_coco(tmp_path, content), write_coco(tmp_path, other, 'val')
    assert re.search(r'without objects.*\(1x: 1_4\.png = 0_4\.png', load_warnings(path, val=val))
    shutil.copy(tmp_path / 'images' / '0_1.png', tmp_path / 'images' / '1_1.png')
    found = load_errors(path, val=val)
    assert re.search(r'--val-fraction.* \(1x: 1_1\.png = 0_1\.png\)', found)
    assert by_file(content).keys() == load_by_file(path, val_fraction=0.2).keys()
