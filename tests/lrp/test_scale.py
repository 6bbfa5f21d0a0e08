"""Large sets: parts of images and categories, and arrays as input, change no bit."""

import json
import sys
import warnings
from itertools import chain
from types import ModuleType

import numpy as np
import pytest
from coco_helpers import data_sets, make_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streaming_helpers import assert_same

from alrp.coco import CocoFormatError
from alrp.lrp import accumulation, arrays, evaluate_lrp, matching, stream


def in_parts(monkeypatch, *arguments, **options):
    with monkeypatch.context() as m:
        m.setattr(matching, 'DETECTIONS_AT_ONCE', 3)
        m.setattr(accumulation, 'DETECTIONS_AT_ONCE', 5)
        m.setattr(accumulation, 'SETTINGS_AT_ONCE', 20)
        return evaluate_lrp(*arguments, **options)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets(), st.sampled_from([(1, 10, 100), (2,)]))
def test_parts_change_nothing(monkeypatch, data, max_dets):
    assert_same(
        in_parts(monkeypatch, *data, max_dets=max_dets), evaluate_lrp(*data, max_dets=max_dets)
    )


def to_arrays(results):
    """One array per key."""
    keys = 'image_id', 'category_id', 'score', 'bbox'
    columns = {key: np.array([entry[key] for entry in results]) for key in keys}
    return columns | dict(bbox=columns['bbox'].reshape(-1, 4))


def evaluate_slowly(monkeypatch, *arguments, **options):
    """By the way of entries, not of arrays."""
    with monkeypatch.context() as m:
        m.setattr('alrp.lrp.inputs.clean_boxes', lambda *_: None)
        return evaluate_lrp(*arguments, **options)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets(), st.booleans())
def test_arrays_equal_entries(monkeypatch, data, shifted):
    ground_truth, results = data
    if shifted:  # arrays of ids need not start at 0 or be dense; boxes may be flat
        for entry in results[::3]:
            entry['bbox'][2] = -1.0
    expected = evaluate_slowly(monkeypatch, ground_truth, results)
    monkeypatch.setattr(arrays, 'ROWS_AT_ONCE', 3)
    assert_same(evaluate_lrp(ground_truth, results), expected)
    columns = to_arrays(results)
    assert_same(evaluate_lrp(ground_truth, columns, None), expected)
    monkeypatch.undo()


def test_float32_and_tensors_equal_their_numbers():
    """Small types are computed with as float64."""
    torch = pytest.importorskip('torch')
    ground_truth, results = make_data(3, 14, 40)
    rng = np.random.default_rng(0)
    for entry in [*ground_truth['annotations'], *results]:
        entry['bbox'] = (np.array(entry['bbox']) + rng.uniform(0, 1, 4)).tolist()
    columns = to_arrays(results)
    columns |= dict(bbox=columns['bbox'].astype(np.float32), score=columns['score'].astype('f4'))
    entries = [dict(zip(columns, x)) for x in zip(*(c.tolist() for c in columns.values()))]
    expected = evaluate_lrp(ground_truth, entries)
    columns |= dict(image_id=columns['image_id'].astype(np.uint8))
    assert_same(evaluate_lrp(ground_truth, columns), expected)
    tensors = {key: torch.from_numpy(column) for key, column in columns.items()}
    assert_same(evaluate_lrp(ground_truth, tensors), expected)


class OnGPU:
    """A tensor that NumPy cannot read before it is on the CPU."""

    dtype = 'torch.int64'

    def __init__(self, array):
        self.array = array

    def __array__(self, *arguments, **options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def __len__(self):
        return len(self.array)

    def detach(self):
        return self

    def cpu(self):
        return self.array


def test_tensors_on_a_gpu():
    ground_truth, results = make_data(3, 14, 40)
    columns = to_arrays(results)
    tensors = {key: OnGPU(column) for key, column in columns.items()}
    assert_same(evaluate_lrp(ground_truth, tensors), evaluate_lrp(ground_truth, columns))


def test_arrays_of_keypoints_masks_and_text():
    rng = np.random.default_rng(0)
    points = rng.uniform(1, 90, (6, 17, 3)).round(1)
    points[..., 2] = 2
    truth = dict(
        images=[dict(id='a', height=99, width=99), dict(id='b', height=99, width=99)],
        categories=[dict(id=1, name='person')],
        annotations=[
            dict(
                id=i,
                image_id='ab'[i % 2],
                category_id=1,
                bbox=[1, 1, 90, 90],
                area=5000.0,
                num_keypoints=17,
                keypoints=p.ravel().tolist(),
                segmentation=[[1, 1, 40 + i, 1, 40, 70]],
            )
            for i, p in enumerate(points, 1)
        ],
    )
    keys = 'image_id', 'category_id', 'keypoints', 'segmentation'
    results = [
        dict({k: a[k] for k in keys}, score=s)
        for a, s in zip(truth['annotations'], rng.uniform(size=6))
    ]
    columns = {key: [r[key] for r in results] for key in (*keys, 'score')}
    columns['keypoints'] = points
    for iou_type in ('keypoints', 'segm'):
        if iou_type == 'segm':
            pytest.importorskip('pycocotools')
        ours = evaluate_lrp(truth, columns, iou_type)
        assert_same(ours, evaluate_lrp(truth, results, iou_type))
        assert ours.summary['oLRP'] < 1
    assert evaluate_lrp(truth, columns, None).iou_type == 'keypoints'


def test_no_arrays_and_an_unknown_class_of_lvis():
    ground_truth, results = make_data(3, 14, 40)
    none = {key: column[:0] for key, column in to_arrays(results).items()}
    assert evaluate_lrp(ground_truth, none, None).summary['oLRP'] == 1
    assert evaluate_lrp(ground_truth, none | dict(bbox=[])).summary['AP'] == 0
    for image in ground_truth['images']:
        image.update(neg_category_ids=[], not_exhaustive_category_ids=[])
    for category in ground_truth['categories']:
        category['frequency'] = 'r'
    results[0]['category_id'] = 77
    expected = evaluate_lrp(ground_truth, results)
    assert expected.task.rules == 'lvis'
    assert_same(evaluate_lrp(ground_truth, to_arrays(results)), expected)


BAD_ARRAYS = {
    'lacking': (lambda c: c.pop('bbox'), ["'bbox'", 'image_id']),
    'length': (lambda c: c.update(image_id=c['image_id'][1:]), ["'image_id'", '40', '39']),
    'one detection': (
        lambda c: c.update({k: v[0] for k, v in c.items()}),
        ["'score'", '()', 'list'],
    ),
    'corners': (lambda c: c.update(bbox=c['bbox'][:, :3]), ["'bbox'", '(40, 4)', '(40, 3)']),
    'text': (lambda c: c.update(score=['high'] * 40), ["'score'", 'high']),
    'NaN': (lambda c: c['score'].put(7, np.nan), ['score', 'nan', 'entry 7']),
    'negative': (lambda c: c['score'].put(7, -0.5), ['score', '-0.5', 'entry 7']),
    'infinite': (lambda c: c['bbox'].put(7, np.inf), ['bbox', 'inf', 'entry 1']),
    'image': (lambda c: c['image_id'].put(7, 99), ['image_id', '99', 'entry 7']),
    'class': (lambda c: c['category_id'].put(7, 99), ['category_id', '99', 'entry 7']),
    'fractions': (lambda c: c.update(bbox=c['bbox'] / 500), ['fractions']),
}


@pytest.mark.parametrize('case', BAD_ARRAYS)
def test_bad_arrays_are_named(case):
    ground_truth, results = make_data(3, 14, 40)
    columns = to_arrays(results)
    change, facts = BAD_ARRAYS[case]
    change(columns)
    with warnings.catch_warnings(), pytest.raises((ValueError, UserWarning)) as error:
        warnings.filterwarnings('error', 'the results')
        evaluate_lrp(ground_truth, columns)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


@pytest.mark.parametrize('indent', [None, 1])
@pytest.mark.parametrize('size', [20, 100, 333, 1 << 20])
def test_files_in_parts_equal_whole_files(tmp_path, monkeypatch, indent, size):
    """A part ends anywhere: within numbers, texts that look like the end of an object, lists."""
    monkeypatch.setattr(stream, 'BYTES_AT_ONCE', size)
    entries = [dict(a=i, b=[1.5, {'c': 2}], d='x') for i in range(40)]
    path = tmp_path / 'list.json'
    path.write_text(json.dumps(entries, indent=indent))
    parts = list(stream.read_list_in_parts(path))
    assert [*chain.from_iterable(parts)] == entries
    assert (len(parts) > 1) == (size < 1000)


@pytest.mark.parametrize(
    'text',
    [
        '{"a": [{}, {}]}',
        '[{"a": "},{"}, {"a": "},{"}, {"a": 1}]',
        '[{"a": [{"b": 1}, {"b": 2}, {"b": 3}, {"b": 4}]}, {"a": 1}]',
        '[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]',
        '[{"a": 1}, {"a": 2}, {"a": 3}',
        '[{"a": 1}, {"a": 2}, {"a": 3}] 4',
        '',
    ],
)
def test_what_cannot_be_read_in_parts_is_said(tmp_path, monkeypatch, text):
    """Never wrong entries: either an error or the same as the whole file."""
    path = tmp_path / 'list.json'
    path.write_text(text)
    for size in range(1, 30):
        monkeypatch.setattr(stream, 'BYTES_AT_ONCE', size)
        try:
            parts = [*chain.from_iterable(stream.read_list_in_parts(path))]
        except ValueError:
            continue
        assert parts == json.loads(text)


@pytest.mark.parametrize('orjson', [False, True])
def test_results_files_of_any_kind(tmp_path, monkeypatch, orjson):
    """Whatever cannot be read in parts is read as a whole, with the same messages."""
    stand_in = None  # import fails
    if orjson:
        stand_in = ModuleType('orjson')
        stand_in.loads = json.loads
    monkeypatch.setitem(sys.modules, 'orjson', stand_in)
    monkeypatch.setattr(stream, 'BYTES_AT_ONCE', 300)
    ground_truth, results = make_data(3, 14, 40)
    expected = evaluate_lrp(ground_truth, results)
    path = tmp_path / 'results.json'
    annotations = dict(annotations=results, images=ground_truth['images'])
    for content in (results, annotations, [dict(r, extra='},{') for r in results]):
        path.write_text(json.dumps(content))
        for iou_type in ('bbox', None):
            assert_same(evaluate_lrp(ground_truth, path, iou_type), expected)
    path.write_text('[]')
    assert evaluate_lrp(ground_truth, path, None).summary['oLRP'] == 1
    path.write_text(json.dumps(results)[:-40])
    with pytest.raises(CocoFormatError, match=r'results\.json'):
        evaluate_lrp(ground_truth, path)
    results[35]['score'] = float('nan')
    path.write_text(json.dumps(results))
    with pytest.raises(CocoFormatError, match=r'results\.json.*entry 35'):
        evaluate_lrp(ground_truth, path)
    with pytest.raises(FileNotFoundError):
        evaluate_lrp(ground_truth, tmp_path / 'nothing.json')


@pytest.mark.slow
def test_memory_is_bounded():
    """Twice the size of the arrays, for one class, too."""
    tracemalloc = pytest.importorskip('tracemalloc')
    rng = np.random.default_rng(0)
    n, num_images = 1_000_000, 10_000
    corner, size = rng.uniform(0, 300, (n, 2)), rng.uniform(5, 200, (n, 2))
    columns = dict(
        image_id=np.sort(rng.integers(0, num_images, n)),
        category_id=np.ones(n, np.int64),
        bbox=np.concatenate([corner, size], 1),
        score=rng.uniform(size=n),
    )
    chosen = rng.choice(n, n // 100, replace=False).tolist()
    objects = zip(chosen, columns['image_id'][chosen].tolist(), columns['bbox'][chosen].tolist())
    truth = dict(
        images=[dict(id=i) for i in range(num_images)],
        categories=[dict(id=1, name='a')],
        annotations=[
            dict(id=i + 1, image_id=image_id, category_id=1, bbox=b, area=b[2] * b[3])
            for i, image_id, b in objects
        ],
    )
    tracemalloc.start()
    evaluate_lrp(truth, columns)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * sum(column.nbytes for column in columns.values())
