"""Images are opened before a run, as training opens them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from alrp_mmdet.datasets import image_sample
from alrp_mmdet.datasets.image_files import DEEP, OTHER_SIZE, ROTATED
from alrp_mmdet.datasets.image_sample import check_image_files

LOAD = dict(type='LoadImageFromFile')


@pytest.fixture
def check(tmp_path):
    """Runs the check on five JPEGs in ``tmp_path``, with settings of the dataset."""
    rng = np.random.default_rng(0)
    for i in range(5):
        pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f'{i}.jpg'), pixels)
    images = [dict(id=i, file_name=f'{i}.jpg', width=64, height=48) for i in range(5)]
    content = dict(images=images, annotations=[dict(image_id=i) for i in range(4)])

    def run(load=LOAD, **settings):
        return check_image_files(dict(pipeline=[load], **settings), content, str(tmp_path))

    return run


def test_good_images_pass(check):
    assert check() == ([], [])


def replace_by_link(path):
    path.unlink()
    path.symlink_to('lost.jpg')


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    'damage',
    [
        lambda path: path.write_bytes(b''),
        lambda path: path.write_bytes(path.read_bytes()[:-900]),
        lambda path: path.write_text('<html>404</html>'),
        replace_by_link,
        replace_by_folder,
    ],
)
def test_images_that_cannot_be_used(check, tmp_path, damage):
    damage(tmp_path / '3.jpg')
    [problem], warnings = check()
    assert problem.startswith('1 of 5 ') and '3.jpg (' in problem and '--skip-missing' in problem
    assert not warnings


def test_images_that_are_not_used_may_be_bad(check, tmp_path):
    (tmp_path / '4.jpg').write_bytes(b'')
    settings = dict(filter_cfg=dict(filter_empty_gt=True))
    assert check(**settings) == ([], [])
    assert '4.jpg' in check(**settings, test_mode=True)[0][0]


def test_what_changes_is_warned_of(check, tmp_path):
    cv2.imwrite(str(tmp_path / 'deep.png'), np.full((48, 64), 4000, np.uint16))
    (tmp_path / 'deep.png').rename(tmp_path / '0.jpg')
    cv2.imwrite(str(tmp_path / '1.jpg'), np.zeros((48, 60, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(tmp_path / '2.jpg').save(tmp_path / '2.jpg', exif=exif)
    problems, warnings = check()
    assert not problems
    facts = {
        DEEP: '0.jpg (values',
        OTHER_SIZE: '1.jpg (is 60x48, ',
        ROTATED: '2.jpg (orientation 3',
    }
    assert len(warnings) == len(facts)
    for text, detail in facts.items():
        assert any(f'{text}: 1 of 5, {detail}' in warning for warning in warnings)


@pytest.mark.parametrize(
    'load',
    [
        dict(type='LoadMyImages'),
        dict(LOAD, imdecode_backend='tifffile'),
        dict(LOAD, color_type='unchanged'),
        dict(LOAD, backend_args=dict(backend='petrel')),
    ],
)
def test_other_ways_to_load_are_not_checked(check, tmp_path, load):
    (tmp_path / '3.jpg').write_bytes(b'')
    assert check(load) == ([], [])


@pytest.mark.parametrize(
    'load', [dict(LOAD, backend_args=None), dict(type='mmcv.LoadImageFromFile')]
)
def test_usual_ways_to_load_are_checked(check, tmp_path, load):
    (tmp_path / '3.jpg').write_bytes(b'')
    assert len(check(load)[0]) == 1


def test_a_sample_is_enough_if_time_is_up(check, monkeypatch, tmp_path):
    monkeypatch.setattr(image_sample, 'SECONDS', 0)
    monkeypatch.setattr(image_sample, 'AT_ONCE', 2)
    for path in tmp_path.iterdir():
        path.write_bytes(b'')
    assert check()[0][0].startswith('2 of 2 ')
