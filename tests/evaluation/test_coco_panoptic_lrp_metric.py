"""The metric against CocoPanopticMetric, whose values it must reproduce, and against LRP."""

import importlib.util
import json
import logging
import sys

import numpy as np
import pytest
from panoptic_helpers import CATEGORIES, random_image, write_set

from alrp.lrp import evaluate_panoptic_lrp

torch = pytest.importorskip('torch')
pytest.importorskip('mmdet')
import panopticapi_stand_in  # noqa: E402
from mmdet.evaluation import CocoPanopticMetric  # noqa: E402
from mmdet.registry import METRICS  # noqa: E402
from mmengine.hooks import EarlyStoppingHook  # noqa: E402

import alrp_mmdet  # noqa: E402, F401 - registers

NAMES = [name + suffix for suffix in ('', '_th', '_st') for name in ('PQ', 'SQ', 'RQ')]
LRP_NAMES = ['LRP', 'LRP_loc', 'LRP_fp', 'LRP_fn']
CLASSES = [category['name'] for category in CATEGORIES]  # in the order of the file
META = dict(classes=CLASSES, thing_classes=['person', 'car'])
OFFSET = 1000  # of MMDetection: an id is a label plus this times the number of the instance

pytestmark = pytest.mark.filterwarnings('ignore:.*(area|segment)')


@pytest.fixture
def theirs(monkeypatch):
    """Makes a CocoPanopticMetric, with the stand-in if panopticapi is not installed."""
    if importlib.util.find_spec('panopticapi') is None:
        api = panopticapi_stand_in
        metric = sys.modules[CocoPanopticMetric.__module__]
        functions = sys.modules['mmdet.evaluation.functional.panoptic_utils']
        values = dict(panopticapi=api, PQStat=api.PQStat, rgb2id=api.rgb2id, id2rgb=api.id2rgb)
        for module in (metric, functions):
            for name, value in dict(values, VOID=0, OFFSET=256**3).items():
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, value)
    return CocoPanopticMetric


def make_files(folder, seed, num_images=6):
    """A set, with segments whose areas and pixels agree, and a data sample for each image."""
    rng = np.random.default_rng(seed)
    images, samples = [], []
    label_of = {category['id']: label for label, category in enumerate(CATEGORIES)}
    for n in range(num_images):
        ids, truth, predicted, results = random_image(rng)
        truth = [s for s in truth if (ids == s['id']).any()]
        for segment in truth:
            segment['iscrowd'] *= segment['category_id'] in (1, 2)  # things only
        renamed = np.full_like(predicted, len(CLASSES))
        for number, segment in enumerate(results, 1):
            old = predicted == segment['id']
            segment['id'] = label_of[segment['category_id']] + number * OFFSET
            renamed[old] = segment['id']
        images.append((ids, truth, np.where(renamed == len(CLASSES), 0, renamed), results))
        sem_seg = torch.from_numpy(renamed[None].copy())
        infos = [
            dict(
                id=s['id'],
                category=label_of[s['category_id']],
                is_thing=s['category_id'] in (1, 2) and not s['iscrowd'],
            )
            for s in truth
        ]
        samples.append(
            dict(
                img_id=n + 10,
                img_path=f'images/{n}.jpg',
                ori_shape=ids.shape,
                seg_map_path=str(folder / 'gt' / f'{n}.png'),
                segments_info=infos,
                pred_panoptic_seg=dict(sem_seg=sem_seg),
            )
        )
    files = write_set(folder, images)
    content = json.loads(files[0].read_text())
    content['images'] = [
        dict(
            id=s['img_id'], file_name=f'{n}.jpg', height=s['ori_shape'][0], width=s['ori_shape'][1]
        )
        for n, s in enumerate(samples)
    ]
    files[0].write_text(json.dumps(content))
    return files, samples


def clone(samples):
    return [
        dict(s, pred_panoptic_seg=dict(sem_seg=s['pred_panoptic_seg']['sem_seg'].clone()))
        for s in samples
    ]


def run(metric, samples, batch=4):
    metric.dataset_meta = META
    samples = clone(samples)
    for start in range(0, len(samples), batch):
        metric.process({}, samples[start : start + batch])
    return metric.evaluate(len(samples))


def options_of(case, folder):
    return dict(
        file=dict(ann_file=str(folder / 'gt.json'), seg_prefix=str(folder / 'gt')),
        dataset=dict(seg_prefix=str(folder / 'gt')),
        file_and_output=dict(
            ann_file=str(folder / 'gt.json'),
            seg_prefix=str(folder / 'gt'),
            outfile_prefix=str(folder / 'out' / 'a'),
            classwise=True,
        ),
    )[case]


@pytest.mark.parametrize('case', ['file', 'dataset', 'file_and_output'])
@pytest.mark.parametrize('seed', [0, 1])
def test_equals_mmdet(case, seed, tmp_path, theirs):
    files, samples = make_files(tmp_path, seed)
    ours = METRICS.build(dict(type='CocoPanopticLRPMetric', **options_of(case, tmp_path)))
    found = run(ours, samples)
    expected = run(theirs(nproc=1, **options_of(case, tmp_path)), samples)
    assert [*expected] == [f'coco_panoptic/{name}' for name in NAMES]
    assert expected['coco_panoptic/PQ'] > 5
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-10), name

    summary = evaluate_panoptic_lrp(*files, num_workers=1).summary
    for group, suffix in dict(All='', Things='_th', Stuff='_st').items():
        for name in LRP_NAMES:
            value = found[f'coco_panoptic/{name}{suffix}']
            assert value == pytest.approx(100 * summary[group][name], abs=1e-10)
    assert len(found) == len(NAMES) + 3 * len(LRP_NAMES)


def test_output_is_a_set_of_results(tmp_path):
    """What is written with outfile_prefix, evaluated from files, gives the same values."""
    files, samples = make_files(tmp_path, 2)
    options = options_of('file_and_output', tmp_path)
    found = run(METRICS.build(dict(type='CocoPanopticLRPMetric', **options)), samples)
    summary = evaluate_panoptic_lrp(files[0], tmp_path / 'out' / 'a.panoptic.json').summary
    assert found['coco_panoptic/LRP'] == pytest.approx(100 * summary['All']['LRP'], abs=1e-12)

    files[0].unlink()  # the ground truth of a test set is not known
    options = dict(format_only=True, outfile_prefix=str(tmp_path / 'test' / 'b'))
    metric = METRICS.build(dict(type='CocoPanopticLRPMetric', **options))
    assert run(metric, [dict(s, seg_map_path=None) for s in samples]) == {}
    assert (tmp_path / 'test' / 'b.panoptic.json').is_file()
    assert len([*(tmp_path / 'test' / 'b.panoptic').glob('*.png')]) == len(samples)


def test_undefined_is_minus_1(tmp_path):
    _, samples = make_files(tmp_path, 0, num_images=1)
    sample = samples[0]
    sample['segments_info'] = [
        dict(info, category=0, is_thing=False) for info in sample['segments_info']
    ]
    sem_seg = sample['pred_panoptic_seg']['sem_seg']
    sem_seg[sem_seg != len(CLASSES)] = 0
    found = run(METRICS.build(dict(type='CocoPanopticLRPMetric')), samples)
    assert found['coco_panoptic/LRP_th'] == found['coco_panoptic/PQ_th'] == -1
    assert 0 < found['coco_panoptic/LRP_st'] == found['coco_panoptic/LRP'] <= 100


def test_tables(tmp_path, mmengine_log):
    _, samples = make_files(tmp_path, 0)
    found = run(METRICS.build(dict(type='CocoPanopticLRPMetric', classwise=True)), samples)
    lines = [line for line in mmengine_log.text.splitlines() if line.startswith('|')]
    [things] = [line for line in lines if line.startswith('| Things')]
    assert f'{found["coco_panoptic/LRP_th"]:.3f}' in things
    assert all(any(f'| {name} ' in line for line in lines) for name in CLASSES)


def test_bad_input(tmp_path):
    _, samples = make_files(tmp_path, 0)
    options = options_of('file_and_output', tmp_path)
    with pytest.raises(ValueError, match=r'1 of 6 images.* ids 15'):
        run(METRICS.build(dict(type='CocoPanopticLRPMetric', **options)), samples[:-1])
    samples[2]['pred_panoptic_seg']['sem_seg'] = torch.zeros((1, 99, 98), dtype=torch.int64)
    with pytest.raises(ValueError, match=r'2\.png.*image 12.*\(99, 98\)'):
        run(METRICS.build(dict(type='CocoPanopticLRPMetric')), samples)
    with pytest.raises(ValueError, match='outfile_prefix'):
        METRICS.build(dict(type='CocoPanopticLRPMetric', format_only=True))
    with pytest.raises(RuntimeError, match='backend_args'):
        METRICS.build(dict(type='CocoPanopticLRPMetric', file_client_args=dict(backend='disk')))


@pytest.mark.parametrize('name', ['LRP', 'LRP_fp', 'LRP_th', 'LRP_loc_st'])
def test_lower_is_better(name):
    hook = EarlyStoppingHook(monitor=f'coco_panoptic/{name}')
    assert hook.rule == 'less'
    assert EarlyStoppingHook(monitor='coco_panoptic/PQ_th', rule='greater').rule == 'greater'


def test_log_level_of_warnings(tmp_path, mmengine_log):
    """An id in the PNG without a segment is a warning in the log."""
    _, samples = make_files(tmp_path, 0)
    removed = samples[0]['segments_info'].pop()
    run(METRICS.build(dict(type='CocoPanopticLRPMetric')), samples)
    warned = [r.getMessage() for r in mmengine_log.records if r.levelno == logging.WARNING]
    assert any(str(removed['id']) in message and 'image 10' in message for message in warned)
