"""tools/new_project.py writes a config that suits the data and trains."""

import itertools
import json
import math
import re
import shlex
import sys
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from format_writers import (
    CLASSES,
    add_triangles,
    by_file,
    make_coco,
    write_coco,
    write_voc,
    write_yolo,
)
from mmdet.registry import DATASETS, MODELS, PARAM_SCHEDULERS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper

from alrp_mmdet.datasets import check_datasets
from alrp_mmdet.project.formats import Split
from alrp_mmdet.project.preview import draw_annotations
from alrp_mmdet.project.recipes import LOSSES, RECIPES

TOOLS = Path(__file__).parents[2] / 'tools'
LOSS_TYPES = dict(alrp='aLRPLoss', rs='RankSortLoss', ap='APLoss')
LRS = {  # published, for 16 images; for the small RetinaNet with AdamW as for Aquarium
    'atss': dict(alrp=0.004, rs=0.008, ap=0.001),
    'faster-rcnn': dict(alrp=0.006, rs=0.012, ap=0.0015),
    'retinanet-small': dict.fromkeys(LOSS_TYPES, 0.001),
}


def use_small_backbone(model) -> None:
    """Replace ResNet-50, for speed, and download nothing."""
    if model.backbone.type == 'ResNet':
        model.backbone.depth = 18
        model.neck.in_channels = [64, 128, 256, 512]
    model.backbone.init_cfg = None


DAILY = {'atss': 'rs', 'mask-rcnn': 'rs', 'foveabox': 'ap'}  # the others: aLRP Loss
PAIRS = [
    pytest.param(*pair, marks=[] if pair[1] == DAILY.get(pair[0], 'alrp') else pytest.mark.slow)
    for pair in itertools.product(RECIPES, LOSSES)
]


@pytest.mark.parametrize('detector, loss', PAIRS)
def test_config_suits_the_data(new_project, source, detector, loss, capsys):
    add_triangles(source)
    chosen = ['--masks'] if detector == 'mask-rcnn' else ['--detector', detector]
    new_project(source, '--out', 'mine', '--val-fraction', '.5', *chosen, '--loss', loss)
    path = Path('mine', f'{loss}_{detector}_mine.py')
    assert len(path.read_text().splitlines()) < 85
    assert max(map(len, path.read_text().splitlines())) <= 220  # paths may be long
    cfg = Config.fromfile(path)
    check_datasets(cfg, ('train', 'val', 'test'))
    train, val = (
        DATASETS.build({**cfg[f'{name}_dataloader'].dataset, '_scope_': 'mmdet'})
        for name in ('train', 'val')
    )
    assert train.metainfo['classes'] == val.metainfo['classes'] == CLASSES
    assert (len(train), len(val)) == (3, 3) or len(train) == 2  # one image has no objects
    assert train[0]['inputs'].shape[1] > 300
    use_small_backbone(cfg.model)
    model = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    two_stages = detector in ('faster-rcnn', 'mask-rcnn')
    head = model.roi_head.bbox_head if two_stages else model.bbox_head
    assert head.num_classes == 3
    heads = [head, *([model.rpn_head] if two_stages else [])]
    assert {type(head.loss_cls).__name__ for head in heads} == {LOSS_TYPES[loss]}
    smooth = loss == 'ap' and not two_stages and detector != 'atss'  # as published
    box_losses = {type(head.loss_bbox).__name__ for head in heads}
    assert box_losses == {'SmoothL1Loss' if smooth else 'GIoULoss'}
    assert LOSSES[loss] in path.read_text().splitlines()[0]
    test_cfg = cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg)
    assert test_cfg.score_thr == (0.4 if two_stages and loss == 'rs' else 0)
    if two_stages:
        assert cfg.model.roi_head.bbox_head.get('bias_prob') == (0.5 if loss == 'rs' else None)
        assert [head.loss_cls.loss_weight for head in heads] == [1, 0.2]
    images, lr = RECIPES[detector].schedule.base_batch_size, cfg.optim_wrapper.optimizer.lr
    name = 'faster-rcnn' if two_stages else detector
    assert lr == LRS.get(name, LRS['atss'])[loss]
    assert cfg.optim_wrapper.optimizer.type == ('AdamW' if 'small' in detector else 'SGD')
    assert cfg.optim_wrapper.clip_grad.max_norm == (1 if 'small' in detector else 10)
    assert cfg.auto_scale_lr.enable and cfg.auto_scale_lr.base_batch_size == images
    stated = re.search(rf'# For {images} images per step.*\(([\d.]+) for \d', path.read_text())
    scaled = lr * cfg.train_dataloader.batch_size / images
    assert float(stated[1]) == pytest.approx(scaled, rel=0.01)
    assert cfg.default_hooks.checkpoint.type == 'AtomicCheckpointHook'
    assert cfg.default_hooks.checkpoint.save_best == 'coco/bbox_mAP'
    assert cfg.test_evaluator.type == cfg.val_evaluator.type == 'CocoLRPMetric'
    assert Path(cfg.test_evaluator.thresholds_file) == Path('mine/thresholds.json').resolve()
    assert cfg.test_evaluator.classwise
    assert cfg.val_evaluator.keys().isdisjoint(('thresholds_file', 'classwise'))
    metrics = ['bbox', 'segm'] if detector == 'mask-rcnn' else 'bbox'
    assert cfg.test_evaluator.metric == cfg.val_evaluator.metric == metrics
    assert ('masks' in train[0]['data_samples'].gt_instances) == (detector == 'mask-rcnn')
    if detector == 'mask-rcnn':
        assert model.roi_head.mask_head.num_classes == 3
    generator = getattr(model, 'rpn_head', head)
    recipe = RECIPES[detector].with_loss(loss)
    if recipe.anchors:
        shapes = len(recipe.anchors.octaves) * len(recipe.anchors.ratios)
        assert generator.prior_generator.num_base_priors[0] == shapes
        sides = (generator.prior_generator.base_anchors[0][:, 2:] * 2).prod(dim=1).sqrt()
        base = float(sides.min()) / recipe.anchors.strides[0]
        assert re.search(rf'scale {base:g} \(chosen\)', capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize('detector, loss', [*itertools.product(RECIPES, LOSSES)])
def test_every_detector_trains_with_every_loss(new_project, source, detector, loss):
    add_triangles(source)
    chosen = ['--masks'] if detector == 'mask-rcnn' else ['--detector', detector]
    new_project(source, '--out', 'mine', *chosen, '--loss', loss)
    cfg = Config.fromfile(f'mine/{loss}_{detector}_mine.py')
    cfg.train_dataloader.dataset.pipeline[2].scale = (96, 64)
    use_small_backbone(cfg.model)
    if 'rpn_proposal' in cfg.model.train_cfg:
        cfg.model.train_cfg.rpn_proposal.max_per_img = 50
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, '_scope_': 'mmdet'}).train()
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, '_scope_': 'mmdet'})
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    for _ in range(2):
        losses = model.train_step(pseudo_collate([dataset[0], dataset[1]]), optimizer)
        assert all(value.isfinite().all() for value in losses.values())
    sort = {name for name in losses if 'loss_sort' in name}
    assert bool(sort) == (loss == 'rs')
    assert ('loss_mask' in losses) == (detector == 'mask-rcnn')


@pytest.mark.parametrize(
    'detector, keys',
    [
        ('atss', ['assigner']),
        ('faster-rcnn', ['rpn.assigner', 'rcnn.assigner']),
        ('foveabox', []),  # its assignment ignores nothing
    ],
)
@pytest.mark.parametrize('crowd', [0, 1])
def test_crowds_are_not_ranked(new_project, source, detector, keys, crowd):
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        annotation['iscrowd'] = int(crowd and annotation['id'] % 3 == 0)
    source.write_text(json.dumps(content))
    new_project(source, '--val-fraction', '.5', '--out', 'mine', '--detector', detector)
    path = Path('mine', f'rs_{detector}_mine.py')
    assert path.read_text().count('ignore_iof_thr=0.5') == crowd * len(keys)
    train_cfg = Config.fromfile(path).model.train_cfg
    for key in keys:
        ignored = reduce(getattr, key.split('.'), train_cfg).get('ignore_iof_thr', -1)
        assert ignored == (0.5 if crowd else -1)


@pytest.mark.parametrize('detector', ['atss', 'retinanet-small'])
@pytest.mark.parametrize('epochs', [2, 12, None])
def test_learning_rate_warms_up_and_decays(new_project, source, detector, epochs):
    given = [] if epochs is None else ['--epochs', epochs]
    new_project(source, '--out', 'mine', '--detector', detector, *given)
    cfg = Config.fromfile(f'mine/rs_{detector}_mine.py')
    epochs = epochs or cfg.train_cfg.max_epochs
    assert cfg.train_cfg.max_epochs == epochs
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    warmup, decay = (
        PARAM_SCHEDULERS.build({**x, '_scope_': 'mmdet'}, default_args=dict(optimizer=optimizer))
        for x in cfg.param_scheduler
    )
    rates = []
    for _ in range(epochs):
        for _ in range(math.ceil(5 / cfg.train_dataloader.batch_size)):  # images with objects
            rates.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            warmup.step()
        decay.step()
    assert rates[0] == pytest.approx(0.001) and max(rates) > 0.8
    top = rates.index(max(rates))
    assert top <= max(2, len(rates) // 10)
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert epochs == 2 or rates[-1] < 0.02


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('detector', ['atss', 'retinanet-small'])
def test_small_detector_is_recommended_on_a_cpu(
    new_project, source, monkeypatch, capsys, device, detector
):
    monkeypatch.setattr('alrp_mmdet.project.create.get_device', lambda: device)
    new_project(source, '--out', 'mine', '--detector', detector)
    recommended = '--detector retinanet-small' in capsys.readouterr().out
    assert recommended == (device == 'cpu' and detector == 'atss')


def test_two_detectors_do_not_share_a_work_dir(new_project, source, capsys):
    new_project(source, '--out', 'mine')
    for options in (['--detector', 'retinanet-small'], ['--loss', 'ap', '--force']):
        with pytest.raises(SystemExit, match=r'rs_atss_mine\.py exists, and would share its'):
            new_project(source, '--out', 'mine', *options)
    new_project(source, '--out', 'mine', '--force')
    new_project(source, '--out', 'other', '--loss', 'ap')


@pytest.mark.parametrize('write', [write_voc, write_yolo])
def test_other_formats_are_converted(new_project, source, write, tmp_path, capsys):
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    before = {path: path.read_bytes() for path in tmp_path.rglob('*.png')}
    new_project(write(tmp_path, content), '--out', 'a project!')
    found = {}
    for name in ('train', 'val'):
        written = json.loads(Path('a project!', 'annotations', f'{name}.json').read_text())
        assert not any('read_from' in annotation for annotation in written['annotations'])
        found |= by_file(written)
    expected = by_file(content)
    assert found == expected if write is write_voc else found.keys() == expected.keys()
    assert {path: path.read_bytes() for path in before} == before
    assert Path('a project!', 'rs_atss_a_project_.py').is_file()
    output = capsys.readouterr().out
    assert {'voc': 'Pascal VOC', 'yolo': 'YOLO'}[write.__name__[6:]] in output


def test_preview_shows_the_boxes(tmp_path):
    content = make_coco(tmp_path)
    pictures = []
    for number in (9, 8):
        content['annotations'] = content['annotations'][:number]
        png = draw_annotations(Split('', content, tmp_path / 'images'))
        pictures.append(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))
    assert pictures[0].std() > 5
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()


def test_small_images_are_trained_on(new_project, source, tmp_path):
    content = json.loads(source.read_text())
    for image in content['images']:
        picture = cv2.imread(f'images/{image["file_name"]}')
        cv2.imwrite(f'images/{image["file_name"]}', picture[:28, :28])
        image.update(width=28, height=28)
    for annotation in content['annotations']:
        annotation['bbox'] = [annotation['id'] % 9, 3, 12, 12]
    source.write_text(json.dumps(content))
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    new_project(source, '--val', val, '--out', 'mine', '--detector', 'retinanet-small')
    cfg = Config.fromfile('mine/rs_retinanet-small_mine.py')
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, '_scope_': 'mmdet'})
    with_objects = {a['image_id'] for a in content['annotations'] if not a['iscrowd']}
    assert len(dataset) == len(with_objects)


def test_coco_stays_where_it_is(new_project, source, tmp_path, capsys):
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    new_project(source, '--val', val, '--out', 'mine')
    assert sorted(path.name for path in Path('mine').rglob('*')) == [
        'annotations.png',
        'rs_atss_mine.py',
    ]
    cfg = Config.fromfile('mine/rs_atss_mine.py')
    assert cfg.train_dataloader.dataset.ann_file == str(source.resolve())
    # The printed commands can be run.
    commands = [shlex.split(line, comments=True) for line in capsys.readouterr().out.split('\n')]
    commands = [command for command in commands if command and command[0] == 'python']
    assert [Path(command[1]).name for command in commands] == [
        'train.py',
        'test.py',
        'draw_detections.py',
        'test.py',
        'infer.py',
    ]
    for command in commands:
        assert Path(command[1]).is_file()
        assert Path(command[2]).is_file() or command[2] == 'photos/'


def test_subcommands_are_printed_as_alrp_lists_them(new_project, source, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['alrp new-project'])
    new_project(source, '--out', 'mine')
    commands = re.findall(r'^  alrp (\S+)', capsys.readouterr().out, re.MULTILINE)
    assert commands == ['train', 'test', 'draw-detections', 'test', 'infer']


@pytest.mark.parametrize('args', [(), ('--epochs', 7)])
def test_the_length_of_training_is_printed(new_project, source, args, capsys):
    new_project(source, '--out', 'mine', *args)
    cfg = Config.fromfile('mine/rs_atss_mine.py')
    [(epochs, per_epoch, steps)] = re.findall(
        r'^Training: (\d+) epochs of (\d+) steps? \((\d+) in all\); --epochs',
        capsys.readouterr().out,
        re.MULTILINE,
    )
    assert int(epochs) == cfg.max_epochs == (7 if args else 150)
    assert int(steps) == int(epochs) * int(per_epoch)
    comment = Path('mine/rs_atss_mine.py').read_text()
    assert f'This makes {int(steps):,} steps.' in comment and 'one GPU' not in comment


SHRUNK = """
image_scale = train_pipeline[2]['scale'] = test_pipeline[1]['scale'] = (64, 64)
model['backbone'] = dict(depth=18, init_cfg=None)
model['neck'] = dict(in_channels=[64, 128, 256, 512], out_channels=16)
model['bbox_head'].update(in_channels=16, feat_channels=16)
train_dataloader['num_workers'] = val_dataloader['num_workers'] = 0
val_dataloader['persistent_workers'] = False
train_cfg['max_epochs'] = 1
"""


@pytest.mark.slow
def test_printed_commands_run(command, tmp_path):
    write_voc(tmp_path, make_coco(tmp_path))
    args = '.', '--out', 'my bolts', '--detector', 'retinanet', '--val-fraction', '.5'
    result = command(sys.executable, TOOLS / 'new_project.py', *args)
    assert result.returncode == 0, result.stderr
    with (tmp_path / 'my bolts' / 'rs_retinanet_my_bolts.py').open('a') as config:
        config.write(SHRUNK)
    lines = re.findall(r'^  python (.*)', result.stdout, re.MULTILINE)
    assert len(lines) == 5
    make_coco(tmp_path / 'own', seed=1)
    (tmp_path / 'own' / 'images').rename(tmp_path / 'photos')
    for line in lines:
        result = command('bash', '-c', f'{sys.executable} {line}')
        assert result.returncode == 0, result.stderr
    mine = tmp_path / 'my bolts'
    [best] = (mine / 'work_dir').glob('best_*.pth')
    args = '.', '--out', 'again', '--detector', 'retinanet', '--load-from', best
    assert command(sys.executable, TOOLS / 'new_project.py', *args).returncode == 0
    config = tmp_path / 'again' / 'rs_retinanet_again.py'
    config.write_text(config.read_text() + SHRUNK)
    result = command(sys.executable, TOOLS / 'train.py', config)
    assert result.returncode == 0, result.stderr
    assert re.search('best_coco.*\n.*loaded.*\n  backbone', result.stdout)
    assert re.search(r'\n  bbox_head: \d\d,\d{3} ', result.stdout)  # the whole head
    assert len(list((mine / 'work_dir').glob('best_coco_bbox_mAP_epoch_1.pth'))) == 1
    thresholds = json.loads((mine / 'thresholds.json').read_text())['thresholds']
    assert list(thresholds) == sorted(CLASSES)
    assert cv2.imread(str(mine / 'detections.png')).std() > 5
    assert len(json.loads((mine / 'found' / 'detections.json').read_text())) >= 0
    assert len(list((mine / 'found' / 'drawn').iterdir())) == 6
