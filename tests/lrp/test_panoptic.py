"""PQ and LRP of panoptic segmentation: published values, a slow reference, and properties."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import panoptic_reference
import pytest
from panoptic_helpers import CATEGORIES, random_image, write_png, write_set

from alrp.lrp import evaluate_panoptic_lrp
from alrp.lrp.panoptic import masks
from alrp.lrp.panoptic.files import is_panoptic
from alrp.lrp.panoptic.masks import Mask, count_overlaps, read_mask

pytest.importorskip('cv2')
SMALL = Path(__file__).parents[1] / 'data' / 'panoptic'
GOLDEN = Path(__file__).parents[3] / 'shared' / 'golden' / 'lrp_panoptic'


def evaluate(*args, **kwargs):
    """Without the warnings about areas and ids, which random images have."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        return evaluate_panoptic_lrp(*args, **{'num_workers': 1, **kwargs}).to_dict()


def assert_equal(ours, expected):
    """Same keys, and values within 1e-12 or both undefined."""
    if isinstance(expected, dict):
        assert {*ours} == {*expected}
        for key in expected:
            assert_equal(ours[key], expected[key])
    elif isinstance(expected, list):
        assert len(ours) == len(expected)
        for pair in zip(ours, expected):
            assert_equal(*pair)
    else:
        assert ours == (expected if expected is None else pytest.approx(expected, abs=1e-12))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason='needs ../shared/golden/lrp_panoptic')
def test_published_values():
    expected = json.loads((GOLDEN / 'expected.json').read_text())
    assert_equal(evaluate(GOLDEN / 'gt.json', GOLDEN / 'dt.json'), expected)


def test_small_set():
    """Each row of the small set is a rule; the numbers were found by hand.

    person: IoU 2/3; a false positive half on VOID; one on a crowd that does not count, as another
    crowd is the last; one on this last crowd is ignored. car: IoU 1/2 is no match; IoU 2/3, since
    an id without a segment is not VOID. sky: IoU 4/5, and 1 without the pixels on VOID.
    """
    with pytest.warns(UserWarning, match=r'gt\.json.*8190117 \(0\.png, image 10\)'):
        found = evaluate_panoptic_lrp(SMALL / 'gt.json', SMALL / 'dt.json').to_dict()
    assert found['category_ids'] == [1, 2, 7, 9] and found['isthing'] == [1, 1, 0, 0]
    assert found['tau'] == 0.5
    expected = dict(
        tp=[1, 1, 2, 0],
        fp=[2, 1, 0, 0],
        fn=[0, 1, 0, 0],
        iou_sum=[2 / 3, 2 / 3, 9 / 5, 0],
        pq=[1 / 3, 1 / 3, 0.9, 0],
        sq=[2 / 3, 2 / 3, 0.9, 0],
        rq=[1 / 2, 1 / 2, 1, 0],
        lrp=[8 / 9, 8 / 9, 0.2, None],
        lrp_loc=[1 / 3, 1 / 3, 0.1, None],
        lrp_fp=[2 / 3, 1 / 2, 0, None],
        lrp_fn=[0, 1 / 2, 0, None],
    )
    assert_equal(found['per_category'], expected)
    things = dict(n=2, PQ=1 / 3, SQ=2 / 3, RQ=1 / 2, LRP=8 / 9)
    assert_equal(
        found['summary']['Things'], things | dict(LRP_loc=1 / 3, LRP_fp=7 / 12, LRP_fn=1 / 4)
    )
    assert found['summary']['All']['PQ'] == pytest.approx((1 / 3 + 1 / 3 + 0.9) / 3)
    assert found['summary']['Stuff']['n'] == 1


@pytest.mark.parametrize('seed', range(12))
def test_equals_reference(seed, tmp_path):
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(5)]
    found = evaluate(*write_set(tmp_path, images))
    assert_equal(
        {key: found[key] for key in ('summary', 'per_category')},
        panoptic_reference.evaluate(images, CATEGORIES),
    )


def test_random_images_have_every_case():
    counts = dict(tp=0, fp=0, fn=0)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        images = [random_image(rng) for _ in range(5)]
        values = panoptic_reference.evaluate(images, CATEGORIES)['per_category']
        counts = {key: counts[key] + sum(values[key]) for key in counts}
    assert min(counts.values()) > 30, counts


def test_properties(tmp_path):
    rng = np.random.default_rng(99)
    files = write_set(tmp_path, [random_image(rng) for _ in range(40)])
    found = evaluate(*files)
    values = {key: np.array(v, dtype=float) for key, v in found['per_category'].items()}
    np.testing.assert_allclose(values['pq'], values['sq'] * values['rq'], atol=1e-15)
    for key in ('pq', 'sq', 'rq', 'lrp', 'lrp_fp', 'lrp_fn'):
        assert ((values[key] >= 0) & (values[key] <= 1)).all(), key
    assert ((values['lrp_loc'] >= 0) & (values['lrp_loc'] < 0.5)).all()
    assert evaluate(*files, num_workers=2) == found

    truth, results = (json.loads(file.read_text()) for file in files)
    for content in (truth, results):
        rng.shuffle(content['annotations'])
    rng.shuffle(truth['categories'])
    extra = dict(results['annotations'][0], image_id=-1, file_name='missing.png')
    results['annotations'].append(extra)
    folders = dict(gt_masks=tmp_path / 'gt', masks=tmp_path / 'dt')
    assert evaluate(truth, results, **folders) == found


def test_perfect_results(tmp_path):
    rng = np.random.default_rng(3)
    ids, truth, *_ = random_image(rng)
    truth = [dict(segment, iscrowd=0) for segment in truth if (ids == segment['id']).any()]
    ids[~np.isin(ids, [segment['id'] for segment in truth])] = 0
    summary = evaluate(*write_set(tmp_path, [(ids, truth, ids, truth)]))['summary']['All']
    assert summary['PQ'] == summary['SQ'] == summary['RQ'] == 1 and summary['LRP'] == 0


def test_without_segments(tmp_path):
    empty = np.zeros((2, 3), dtype=np.int64)
    found = evaluate(*write_set(tmp_path, [(empty, [], empty, [])]))
    assert found['summary']['All']['n'] == 0 and found['summary']['Things']['PQ'] is None
    assert found['per_category']['pq'] == [0] * 4 and found['per_category']['lrp'] == [None] * 4
    found = evaluate(*write_set(tmp_path, []))
    assert found['summary']['All']['LRP'] is None


def test_area_of_the_file_counts(tmp_path):
    """As in the COCO panoptic evaluation, but with a warning."""
    ids = np.full((2, 5), 3, dtype=np.int64)
    truth = dict(id=3, category_id=1, area=16, iscrowd=0)
    files = write_set(tmp_path, [(ids, [truth], ids, [truth])])
    with pytest.warns(UserWarning, match=r'gt\.json.*16, not 10 \(id 3 of image 10\)'):
        evaluation = evaluate_panoptic_lrp(*files, num_workers=1)
    assert evaluation.counts.iou_sum[0] == 10 / 16


def test_result_with_id_0(tmp_path):
    """A segment like any other if the JSON file has it; otherwise pixels without a class."""
    ids = np.array([[0, 0, 5, 5, 5]])
    truth = dict(id=5, category_id=1, area=3, iscrowd=0)
    predicted = np.array([[7, 7, 0, 0, 0]])
    results = [dict(id=7, category_id=1), dict(id=0, category_id=1)]
    found = evaluate(*write_set(tmp_path, [(ids, [truth], predicted, results)]))
    assert [found['per_category'][key][0] for key in ('tp', 'fp', 'fn')] == [1, 0, 0]
    found = evaluate(*write_set(tmp_path, [(ids, [truth], predicted, results[:1])]))
    assert [found['per_category'][key][0] for key in ('tp', 'fp', 'fn')] == [0, 0, 1]


@pytest.mark.parametrize('kind', ['noise', 'constant', 'segments'])
def test_overlaps_equal_a_count_of_pixels(kind):
    rng = np.random.default_rng(0)
    shape = 17, 23
    if kind == 'noise':
        truth, result = rng.integers(0, 2**24, (2, *shape))
    elif kind == 'constant':
        truth, result = np.full((2, *shape), 2**24 - 1)
    else:
        truth, result = np.zeros((2, *shape), dtype=np.int64)
        truth[3:9, 5:], result[5:, :11] = 256, 65536
    expected, counts = np.unique(
        np.stack([truth, result], -1).reshape(-1, 2), axis=0, return_counts=True
    )
    found = count_overlaps(Mask.of_ids(truth), Mask.of_ids(result))
    np.testing.assert_array_equal(found, np.column_stack([expected, counts]))


@pytest.mark.parametrize('package', ['cv2', 'kornia_rs'])
@pytest.mark.parametrize('channels', [3, 4])
def test_colours_are_ids(package, channels, tmp_path, monkeypatch):
    import cv2

    pytest.importorskip(package)
    decoders = dict(cv2=masks._decode_with_opencv, kornia_rs=masks._decode_with_kornia)
    monkeypatch.setattr(masks, '_decoder', lambda: decoders[package])
    ids = np.random.default_rng(0).integers(0, 2**24, (5, 7))
    write_png(tmp_path / 'a.png', ids)
    if channels == 4:
        image = cv2.cvtColor(cv2.imread(str(tmp_path / 'a.png')), cv2.COLOR_BGR2BGRA)
        image[..., 3] = 17
        cv2.imwrite(str(tmp_path / 'a.png'), image)
    mask = read_mask(tmp_path / 'a.png')
    assert mask.pixels.shape == (5, 7, 3)
    np.testing.assert_array_equal((mask.pixels.astype(int) * mask.weights).sum(-1), ids)


def test_folders_are_guessed(tmp_path):
    shutil.copytree(SMALL, tmp_path / 'a')
    (tmp_path / 'a' / 'gt').rename(tmp_path / 'truth')
    files = tmp_path / 'a' / 'gt.json', str(tmp_path / 'a' / 'dt.json')
    assert evaluate(*files, gt_masks=tmp_path / 'truth') == evaluate(
        SMALL / 'gt.json', SMALL / 'dt.json'
    )
    with pytest.raises(ValueError, match='gt_masks'):
        evaluate(json.loads(files[0].read_text()), files[1])


def test_is_panoptic(tmp_path):
    assert is_panoptic(SMALL / 'gt.json') and is_panoptic(SMALL / 'dt.json')
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps(dict(annotations=[dict(caption='"segments_info"')])))
    assert not is_panoptic(path)
