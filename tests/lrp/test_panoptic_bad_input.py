"""Bad panoptic input is refused with an error that names the file, the entries and the values."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from panoptic_helpers import write_png

from alrp.lrp import evaluate_panoptic_lrp

cv2 = pytest.importorskip('cv2')
SMALL = Path(__file__).parents[1] / 'data' / 'panoptic'
NAN = float('nan')


@pytest.fixture
def data(tmp_path):
    shutil.copytree(SMALL, tmp_path, dirs_exist_ok=True)
    contents = [json.loads((tmp_path / name).read_text()) for name in ('gt.json', 'dt.json')]
    contents[1]['annotations'].reverse()  # image 10 first, as in the ground truth
    return tmp_path, *contents


def refused(folder, truth, results, **options):
    for name, content in dict(gt=truth, dt=results).items():
        (folder / f'{name}.json').write_text(json.dumps(content))
    with pytest.raises(ValueError) as error:
        evaluate_panoptic_lrp(folder / 'gt.json', folder / 'dt.json', num_workers=1, **options)
    return str(error.value)


def assert_named(message, *parts):
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    'key, value, named',
    [
        ('id', 'five', ["'five' (id five of image 10)", 'whole number']),
        ('id', 1.5, ['1.5', 'whole number']),
        ('id', NAN, ['nan', 'whole number']),
        ('id', 2**24, ['16777216', '16777215']),
        ('id', -4, ['-4', '16777215']),
        ('id', 0, ['0 (id 0 of image 10)', 'from 1 to']),  # VOID
        ('id', 6860098, ['6860098', 'id 6860098 of image 10']),  # of another segment
        ('category_id', 99, ['category_id', '99 (id 6790097 of image 10)', '1, 2, 7, 9']),
        ('category_id', None, ['category_id', 'None (id 6790097 of image 10)']),
        ('area', NAN, ['area', 'nan (id 6790097 of image 10)', 'finite']),
        ('area', -1, ['area', '-1 (id 6790097 of image 10)', 'negative']),
        ('area', '9', ['area', "'9' (id 6790097 of image 10)"]),
        ('area', 2, ['area', '2, not 9 (id 6790097 of image 10)', 'too small']),  # IoU above 1
        ('iscrowd', 2, ['iscrowd', '2 (id 6790097 of image 10)', '0 or 1']),
        ('iscrowd', NAN, ['iscrowd', 'nan (id 6790097 of image 10)']),
    ],
)
def test_object(data, key, value, named):
    folder, truth, results = data
    truth['annotations'][0]['segments_info'][0][key] = value
    assert_named(refused(folder, truth, results), 'gt.json: ', 'of 7 segments', *named)


@pytest.mark.parametrize(
    'key, value, named',
    [
        ('id', 12, ['12 (0.png, image 10)', '6790097', 'dt.json']),
        ('id', 'x', ["'x' (id x of image 10)", 'dt.json']),
        ('id', 6860098, ['6860098', 'image 10', 'dt.json']),
        ('category_id', 99, ['category_id', '99 (id 6790097 of image 10)', 'dt.json']),
    ],
)
def test_prediction(data, key, value, named):
    folder, truth, results = data
    results['annotations'][0]['segments_info'][0][key] = value
    message = refused(folder, truth, results)
    if value == 12:  # neither the id in the PNG has a segment, nor the segment pixels
        named = ['6790097 (0.png, image 10)', 'id 12 of image 10', 'dt.json']
    assert_named(message, *named)


@pytest.mark.parametrize('side', [1, 2])
@pytest.mark.parametrize('key', ['id', 'category_id'])
def test_segment_without(data, side, key):
    del data[side]['annotations'][0]['segments_info'][1][key]
    assert_named(refused(*data), f"'{key}'", 'image 10', ['gt.json', 'dt.json'][side - 1])


@pytest.mark.parametrize('key', ['area', 'iscrowd'])
def test_object_without(data, key):
    del data[1]['annotations'][0]['segments_info'][1][key]
    assert_named(refused(*data), f"'{key}'", 'id 6860098 of image 10', 'gt.json')


@pytest.mark.parametrize('side', [1, 2])
@pytest.mark.parametrize('key', ['image_id', 'file_name', 'segments_info'])
def test_annotation_without(data, side, key):
    del data[side]['annotations'][1][key]
    label = 'entry 1' if key == 'image_id' else 'image 11'
    assert_named(refused(*data), f"'{key}'", label, ['gt.json', 'dt.json'][side - 1])


@pytest.mark.parametrize('value', [None, 'abc', [1], {'id': 3}])
def test_segments_of_another_type(data, value):
    data[2]['annotations'][1]['segments_info'] = value
    assert_named(refused(*data), 'segments_info', 'image 11', 'dt.json')


@pytest.mark.parametrize('content', [[], {}, dict(annotations=3), dict(annotations=[3]), 'text'])
def test_another_format(data, content):
    folder, truth, results = data
    assert_named(refused(folder, truth, content), 'dt.json', "'annotations'")
    assert_named(refused(folder, content, results), 'gt.json', "'annotations'")


@pytest.mark.parametrize(
    'entry, named',
    [
        (dict(id=1), ["'isthing'", 'id 1']),
        (dict(isthing=1), ["'id'"]),
        (dict(id=1, isthing=2), ['isthing', '2 (id 1)']),
        (dict(id=1, isthing=None), ['isthing', 'None (id 1)']),
        (dict(id=7, isthing=1), ['1 id is shared', '7']),
        (dict(id='1', isthing=1), ['category ids', 'text']),
    ],
)
def test_category(data, entry, named):
    data[1]['categories'][1] = entry
    assert_named(refused(*data), 'gt.json', *named)


def test_images_without_prediction(data):
    del data[2]['annotations'][0]
    assert_named(refused(*data), 'dt.json', '1 of 2 images', 'ids 10')


@pytest.mark.parametrize('key, named', [('image_id', '10'), ('file_name', '0.png')])
@pytest.mark.parametrize('side', [1, 2])
def test_two_annotations_of_an_image(data, side, key, named):
    first, second = data[side]['annotations']
    second[key] = first[key]
    assert_named(refused(*data), ['gt.json', 'dt.json'][side - 1], f'{key}: {named}')


@pytest.mark.parametrize('side', ['gt', 'dt'])
def test_missing_png(data, side):
    (data[0] / side / '1.png').unlink()
    assert_named(refused(*data), str(data[0] / side), f'{side}.json', '1 of 2', '1.png')
    shutil.rmtree(data[0] / side)
    assert_named(refused(*data), str(data[0] / side), f'{side}.json', 'no such folder')


def test_sizes_that_differ(data):
    write_png(data[0] / 'dt' / '1.png', np.full((2, 6), 7420106))
    assert_named(refused(*data), 'dt/1.png', '6 x 2', 'gt/1.png', '12 x 1')


def test_id_without_segment(data):
    write_png(data[0] / 'dt' / '1.png', np.array([[7420106] * 6 + [5] * 6]))
    assert_named(refused(*data), 'dt.json', '5 (1.png, image 11)')


def test_prediction_without_pixels(data):
    write_png(data[0] / 'dt' / '1.png', np.zeros((1, 12), dtype=np.int64))
    assert_named(refused(*data), 'dt.json', '1 of 8 segments', 'id 7420106 of image 11')


@pytest.mark.parametrize('kind', ['gray', 'palette', '16 bits', 'jpeg', 'empty', 'cut', 'damaged'])
@pytest.mark.parametrize('side', ['gt', 'dt'])
def test_not_an_rgb_png(data, side, kind):
    path = data[0] / side / '0.png'
    content = path.read_bytes()
    image = cv2.imread(str(path))
    if kind == 'gray':
        cv2.imwrite(str(path), image[..., 0])
    elif kind == '16 bits':
        cv2.imwrite(str(path), image.astype(np.uint16))
    elif kind == 'palette':
        image_module = pytest.importorskip('PIL.Image')
        image_module.fromarray(image).quantize(4).save(path)
    elif kind == 'jpeg':
        path.write_bytes(cv2.imencode('.jpg', image)[1].tobytes())
    else:
        middle = len(content) // 2
        changed = dict(
            empty=b'',
            cut=content[:middle],
            damaged=content[:middle] + b'\xff' * 9 + content[middle + 9 :],
        )
        path.write_bytes(changed[kind])
    expected = {'gray': ['grayscale'], 'palette': ['palette'], '16 bits': ['16 bits']}
    assert_named(refused(*data), str(path), 'PNG', *expected.get(kind, []))


def test_error_of_a_process(tmp_path, data):
    """The first bad file is named, however many processes read."""
    _, truth, results = data
    for content in (truth, results):
        first = content['annotations'][0]
        content['annotations'] = [dict(first, image_id=n, file_name=f'{n}.png') for n in range(40)]
    for side in ('gt', 'dt'):
        for n in range(40):
            shutil.copy(SMALL / side / '0.png', tmp_path / side / f'{n}.png')
    for n in (20, 39):
        (tmp_path / 'dt' / f'{n}.png').write_bytes(b'no image')
    folders = dict(gt_masks=tmp_path / 'gt', masks=tmp_path / 'dt')
    with pytest.raises(ValueError, match=r'20\.png: not a PNG'):
        evaluate_panoptic_lrp(truth, results, num_workers=2, **folders)


def test_num_workers(data):
    with pytest.raises(ValueError, match=r'num_workers.*0'):
        evaluate_panoptic_lrp(SMALL / 'gt.json', SMALL / 'dt.json', num_workers=0)
