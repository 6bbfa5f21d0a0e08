"""What benchmarks/accuracy trains: fair configs, each run once, settings by tuning."""

import json
import math
import multiprocessing
import re
from argparse import ArgumentTypeError
from dataclasses import replace

import pytest
import torch
from accuracy_helpers import curve_of, row_of, tuned_runs

from benchmarks.accuracy.__main__ import parse_seeds
from benchmarks.accuracy.matrix import (
    CLIP_NORMS,
    DATASETS,
    DETECTORS,
    LEARNING_RATES,
    LOSSES,
    SEEDS,
    TUNING_DATASETS,
    TUNING_SEED,
    Run,
    first_run,
    matrix,
    supports,
)
from benchmarks.accuracy.rows import add_run, curves_of, read_rows, run_of
from benchmarks.accuracy.run_config import config_text
from benchmarks.accuracy.tuning import (
    best_candidate,
    learning_rates,
    runs_of,
    settings,
    stage_runs,
    tuned_run,
)
from benchmarks.accuracy.variants import VARIANTS, parse_variant, variant_runs

PAIRS = [(detector, loss) for detector in DETECTORS for loss in LOSSES if supports(detector, loss)]
DAILY = ('retinanet', 'focal_l1'), ('retinanet', 'alrp'), ('atss', 'focal_giou')


def test_matrix_has_every_combination_once_and_not_the_tuning_seed():
    runs = matrix(tuned_runs(LOSSES), list(DATASETS), ['retinanet'], SEEDS)
    assert len(runs) == len(set(runs)) == 4 * 5 * 5
    assert {run.seed for run in runs} == set(SEEDS) and TUNING_SEED not in SEEDS
    assert {(run.dataset, run.epochs) for run in runs} == {
        (d, x.epochs) for d, x in DATASETS.items()
    }
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    atss = matrix(tuned_runs(LOSSES), ['bccd'], ['atss'], [0])
    assert {run.loss for run in atss} == set(LOSSES) - {'focal_l1'}  # ATSS compares boxes


def test_names_are_unique():
    runs = matrix(tuned_runs(LOSSES), list(DATASETS), list(DETECTORS), SEEDS)
    candidates = [x for loss in LOSSES for x in learning_rates(loss) + settings(first_run(loss))]
    runs += [run for candidate in candidates for run in runs_of(candidate)]
    runs += variant_runs([first_run(loss) for loss in LOSSES], VARIANTS)
    assert len({run.name for run in set(runs)}) == len(set(runs))


def test_data_sets_get_as_many_steps():
    images = dict(aquarium=447, chess=202, boggle=258, bccd=205)  # with objects
    steps = [DATASETS[name].epochs * math.ceil(n / 4) for name, n in images.items()]
    assert max(steps) < 1.2 * min(steps)
    assert all(dataset.epochs % dataset.val_interval == 0 for dataset in DATASETS.values())


@pytest.mark.parametrize(
    'text, seeds', [('0-4', [0, 1, 2, 3, 4]), ('7', [7]), ('0,2-3', [0, 2, 3])]
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize('text', ['4-0', 'a', '1-', '', '0,,1', '-1'])
def test_wrong_seeds_are_refused(text):
    with pytest.raises(ArgumentTypeError, match=re.escape(repr(text))):
        parse_seeds(text)


@pytest.fixture(scope='module')
def load(tmp_path_factory):
    """Loads the config of a run; the annotations are not sorted by id."""
    mmengine = pytest.importorskip('mmengine.config')
    pytest.importorskip('alrp_mmdet')
    folder = tmp_path_factory.mktemp('data')
    categories = [dict(id=5, name='b'), dict(id=2, name='a'), dict(id=9, name='c')]
    for dataset in DATASETS:
        (folder / dataset / 'annotations').mkdir(parents=True)
        path = folder / dataset / 'annotations' / 'instances_train.json'
        path.write_text(json.dumps(dict(categories=categories)))

    def load(run: Run):
        path = folder / 'config.py'
        path.write_text(config_text(run, folder, 'weights.pth'))
        return mmengine.Config.fromfile(path)

    return load


@pytest.mark.parametrize('detector', DETECTORS)
def test_only_the_losses_differ(load, detector):
    """Same backbone, anchors, box coder, assigner, data, augmentation and schedule."""
    configs = []
    for name, loss in [pair for pair in PAIRS if pair[0] == detector]:
        cfg = load(replace(first_run(loss), detector=name))
        head = cfg.model.bbox_head
        for key in ('type', 'loss_cls', 'loss_bbox', 'loss_centerness', 'reg_decoded_bbox'):
            head.pop(key, None)
        head.pop('learnable_scales', None)  # always on in MMDetection's ATSSHead
        cfg.pop('alrp_head', None)  # a variable of the base config
        configs.append(cfg.to_dict())
    assert all(cfg == configs[0] for cfg in configs)
    assert configs[0]['model']['bbox_head']['bbox_coder']['target_stds'] == [0.1, 0.1, 0.2, 0.2]


@pytest.mark.parametrize(
    'detector, loss',
    [pytest.param(*pair, marks=[] if pair in DAILY else pytest.mark.slow) for pair in PAIRS],
)
def test_config_of_a_run(load, detector, loss):
    from mmdet.registry import MODELS

    run = replace(
        first_run(loss),
        dataset='chess',
        detector=detector,
        seed=3,
        lr=0.0025,
        clip_norm=10.0,
        epochs=16,
        setting=LOSSES[loss].settings[-1],
    )
    cfg = load(run)
    assert cfg.optim_wrapper.clip_grad.max_norm == 10
    assert cfg.optim_wrapper.optimizer.lr == 0.0025 and cfg.randomness.seed == 3
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (16, 2)
    assert cfg.param_scheduler[1].end == 16
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert loader.dataset.metainfo.classes == ('a', 'b', 'c')
        assert loader.dataset.data_root.endswith('/chess/') and loader.num_workers == 0
        [resize] = [step for step in loader.dataset.pipeline if step.type == 'Resize']
        assert resize.scale == (320, 320)
    assert cfg.model.backbone.init_cfg == dict(type='Pretrained', checkpoint='weights.pth')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        head = MODELS.build({**cfg.model, '_scope_': 'mmdet'}).bbox_head
    assert head.num_classes == 3
    key, value = run.setting.split('=')
    for name in key.split('.'):
        head = getattr(head, name)
    assert head == float(value) == LOSSES[loss].values[-1]


@pytest.mark.slow
@pytest.mark.parametrize('variant', VARIANTS, ids=lambda variant: f'{variant.loss}-{variant.name}')
def test_planned_variants_change_the_config(load, variant):
    from mmdet.registry import MODELS
    from mmengine.config import DictAction
    from mmengine.optim import build_optim_wrapper

    cfg = load(first_run(variant.loss))
    before = cfg.to_dict()
    options = [option.split('=', 1) for option in variant.overrides.split()]
    cfg.merge_from_dict({key: DictAction._parse_int_float_bool(value) for key, value in options})
    assert cfg.to_dict() != before
    cfg.model.backbone.init_cfg = None
    model = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    model.init_weights()
    build_optim_wrapper(model, cfg.optim_wrapper)


def test_variants_are_compared_with_the_loss_as_it_is():
    variants = [parse_variant('a:rs:x.y=1 z=2'), parse_variant('b:alrp:x=[1,2]')]
    runs = variant_runs([first_run('rs'), first_run('ap')], variants)
    assert [(run.loss, run.variant, run.overrides) for run in runs] == [
        ('rs', '', ''),
        ('rs', 'a', 'x.y=1 z=2'),
        ('ap', '', ''),
    ]


@pytest.mark.parametrize(
    'text', ['a', 'a:rs', 'a:rs:', ':rs:x=1', 'a:rs:x', 'a:iou:x=1', '../a:rs:x=1']
)
def test_bad_variants_are_refused(text):
    with pytest.raises(ValueError, match=r'expected|name') as error:
        parse_variant(text)
    assert repr(text) in str(error.value)


def finished(aps: dict[tuple[float, str], float], loss: str = 'rs') -> list[dict]:
    """Tuning runs by learning rate and setting. AP is the mean over the datasets."""
    return [
        row_of(run, ap + difference)
        for (lr, setting), ap in aps.items()
        for run, difference in zip(
            runs_of(replace(first_run(loss), lr=lr, setting=setting)), (-10 * lr, 10 * lr)
        )
    ]


def test_tuning_chooses_the_learning_rate_first():
    (low, other, high), (usual, *others) = sorted(LEARNING_RATES), LOSSES['rs'].settings
    rows = finished({(low, usual): 0.2, (other, usual): 0.25, (high, usual): 0.3})
    assert {(run.dataset, run.lr) for run in stage_runs(['rs'], 0, [])} == {
        (dataset, lr) for dataset in TUNING_DATASETS for lr in LEARNING_RATES
    }
    assert {(run.dataset, run.lr, run.setting) for run in stage_runs(['rs'], 1, rows)} == {
        (dataset, high, x) for dataset in TUNING_DATASETS for x in (usual, *others)
    }
    with pytest.raises(LookupError, match=r'rs.* 4 of 6'):
        tuned_run('rs', rows)
    rows += finished({(high, others[0]): 0.29, (high, others[1]): 0.31, (low, others[0]): 0.9})
    with pytest.raises(LookupError, match=r'rs.* 2 of 4'):
        tuned_run('rs', rows)
    [chosen] = {
        replace(run, dataset='', epochs=0, clip_norm=0.0) for run in stage_runs(['rs'], 2, rows)
    }
    assert (chosen.lr, chosen.setting) == (high, others[1])
    missing = [run for run in stage_runs(['rs'], 2, rows) if run.clip_norm != CLIP_NORMS[0]]
    for difference in (-0.01, 0.01):
        best = tuned_run('rs', rows + [row_of(run, 0.31 + difference) for run in missing])
        assert (best.lr, best.setting) == (high, others[1])
        assert best.clip_norm == CLIP_NORMS[difference > 0]
    with pytest.raises(LookupError, match='alrp'):
        tuned_run('alrp', rows)


def test_equal_ap_is_decided_by_olrp():
    candidates = learning_rates('rs')
    rows = [
        row_of(run, ap, oLRP=olrp)
        for candidate, aps, olrp in zip(
            candidates, ((0.1, 0.7), (0.3, 0.5), (0.4, 0.4)), (0.8, 0.7, math.nan)
        )
        for run, ap in zip(runs_of(candidate), aps)
    ]
    assert best_candidate(candidates, rows) == candidates[1]


def test_runs_are_read_as_they_were_added(tmp_path):
    path, run = tmp_path / 'results' / 'runs.csv', first_run('alrp')
    row = row_of(run, 0.123, seconds=math.nan, AP_s=math.nan, oLRP=1 / 3)
    add_run(path, row, curve_of(run, [0.1, 0.123]))
    [found] = read_rows(path)
    assert run_of(found) == run
    assert (found['AP'], found['oLRP'], found['commit']) == (0.123, 1 / 3, '0123456789')
    assert math.isnan(found['seconds']) and math.isnan(found['AP_s'])
    assert [(x['step'], x['AP']) for x in read_rows(curves_of(path))] == [(100, 0.1), (200, 0.123)]
    changed = replace(run, variant='a', overrides='x=[1,2] y="z"')
    add_run(path, row_of(changed, 0.2), curve_of(changed, [0.2]))
    add_run(path, row_of(run, 0.3), curve_of(run, [0.3]))  # replaces the first
    assert {run_of(x): x['AP'] for x in read_rows(path)} == {run: 0.3, changed: 0.2}
    assert sorted(x['AP'] for x in read_rows(curves_of(path))) == [0.2, 0.3]
    assert read_rows(tmp_path / 'missing.csv') == []


def add_five(path, seed):
    for i in range(5):
        run = replace(first_run('rs'), seed=5 * seed + i)
        add_run(path, row_of(run, 0.1), curve_of(run, [0.1]))


def test_several_processes_add_runs(tmp_path):
    path, context = tmp_path / 'runs.csv', multiprocessing.get_context('fork')
    processes = [
        context.Process(target=add_five, args=(path, seed), daemon=True) for seed in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(row['seed'] for row in read_rows(path)) == list(range(20))
    assert len(read_rows(curves_of(path))) == 20
