"""tools/new_project.py: from a folder of images to a config that trains."""

import json
import math
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from format_writers import CLASSES, by_file, make_coco, write_coco, write_voc, write_yolo
from mmdet.registry import DATASETS, MODELS, PARAM_SCHEDULERS
from mmengine.config import Config

from alrp_mmdet.datasets import check_datasets
from alrp_mmdet.project.choices import DETECTORS
from alrp_mmdet.project.formats import Split
from alrp_mmdet.project.picture import draw_annotations

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture(scope='module')
def main():
    """The tool, but for its picture, which takes a second."""
    tool = runpy.run_path(str(TOOLS / 'new_project.py'))['main']
    tool.__globals__['draw_annotations'] = lambda split: b'a picture'
    return tool


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A COCO JSON in the current folder, which is ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    return write_coco(tmp_path, make_coco(tmp_path)).relative_to(tmp_path)


def run(main, *args) -> None:
    main([str(arg) for arg in args])


@pytest.mark.parametrize('detector', DETECTORS)
def test_config_is_for_the_data(main, source, detector, capsys):
    run(main, source, '--out', 'mine', '--val-fraction', '.5', '--detector', detector)
    path = Path('mine', f'alrp_{detector}_mine.py')
    assert len(path.read_text().splitlines()) < 80
    assert max(map(len, path.read_text().splitlines())) <= 220  # of which paths are most
    cfg = Config.fromfile(path)
    check_datasets(cfg, ('train', 'val', 'test'))
    train, val = (
        DATASETS.build({**cfg[f'{name}_dataloader'].dataset, '_scope_': 'mmdet'})
        for name in ('train', 'val')
    )
    assert train.metainfo['classes'] == val.metainfo['classes'] == CLASSES
    assert (len(train), len(val)) == (3, 3) or len(train) == 2  # one may be without objects
    assert train[0]['inputs'].shape[1] > 300  # tiny images are enlarged
    cfg.model.backbone.update(depth=18, init_cfg=None)  # which is made faster
    cfg.model.neck.in_channels = [64, 128, 256, 512]
    model = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    head = model.roi_head.bbox_head if detector == 'faster-rcnn' else model.bbox_head
    assert head.num_classes == 3
    test_cfg = cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg)
    assert test_cfg.score_thr == 0
    images, lr = DETECTORS[detector].schedule.images, cfg.optim_wrapper.optimizer.lr
    assert lr == DETECTORS[detector].lr
    assert cfg.optim_wrapper.optimizer.type == ('AdamW' if 'small' in detector else 'SGD')
    assert cfg.auto_scale_lr.enable and cfg.auto_scale_lr.base_batch_size == images
    told = re.search(rf'For {images} images a step.*here to ([\d.]+) on one GPU', path.read_text())
    scaled = lr * cfg.train_dataloader.batch_size / images
    assert float(told[1]) == pytest.approx(scaled, rel=0.01)
    assert cfg.default_hooks.checkpoint.type == 'AtomicCheckpointHook'
    assert cfg.default_hooks.checkpoint.save_best == 'coco/bbox_mAP'
    assert cfg.test_evaluator.type == cfg.val_evaluator.type == 'CocoLRPMetric'
    assert Path(cfg.test_evaluator.thresholds_file) == Path('mine/thresholds.json').resolve()
    assert 'thresholds_file' not in cfg.val_evaluator
    generator = getattr(model, 'rpn_head', head)
    if DETECTORS[detector].anchors:
        sides = (generator.prior_generator.base_anchors[0][:, 2:] * 2).prod(dim=1).sqrt()
        base = float(sides.min()) / DETECTORS[detector].anchors.strides[0]
        assert re.search(rf'scale {base:g}, chosen', capsys.readouterr().out)


@pytest.mark.parametrize('detector', ['atss', 'retinanet-small'])
@pytest.mark.parametrize('epochs', [2, 12, None])
def test_learning_rate_rises_and_falls(main, source, detector, epochs):
    given = [] if epochs is None else ['--epochs', epochs]
    run(main, source, '--out', 'mine', '--detector', detector, *given)
    cfg = Config.fromfile(f'mine/alrp_{detector}_mine.py')
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


@pytest.mark.parametrize('load_from', ['start.pth', 'https://example.org/start.pth'])
def test_starts_from_a_checkpoint(main, source, tmp_path, load_from):
    if '://' not in load_from:
        with pytest.raises(SystemExit, match=r'error: there is no checkpoint start\.pth'):
            run(main, source, '--out', 'mine', '--load-from', load_from)
        Path(load_from).touch()
    run(main, source, '--out', 'mine', '--load-from', load_from)
    cfg = Config.fromfile('mine/alrp_atss_mine.py')
    assert cfg.load_from == (load_from if '://' in load_from else str(tmp_path / load_from))
    assert cfg.model.backbone.init_cfg is None
    assert cfg.model.backbone.depth == 50 and cfg.model.bbox_head.num_classes == 3


@pytest.mark.parametrize('write', [write_voc, write_yolo])
def test_other_formats_are_converted(main, source, write, tmp_path, capsys):
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        annotation['iscrowd'] = 0
    before = {path: path.read_bytes() for path in tmp_path.rglob('*.png')}
    run(main, write(tmp_path, content), '--out', 'a project!')
    found = {}
    for name in ('train', 'val'):
        written = json.loads(Path('a project!', 'annotations', f'{name}.json').read_text())
        assert not any('read_from' in annotation for annotation in written['annotations'])
        found |= by_file(written)
    expected = by_file(content)
    assert found == expected if write is write_voc else found.keys() == expected.keys()
    assert {path: path.read_bytes() for path in before} == before
    assert Path('a project!', 'alrp_atss_a_project_.py').is_file()
    output = capsys.readouterr().out
    assert {'voc': 'Pascal VOC', 'yolo': 'YOLO'}[write.__name__[6:]] in output


def test_picture_has_the_boxes(tmp_path):
    content = make_coco(tmp_path)
    pictures = []
    for number in (9, 8):
        content['annotations'] = content['annotations'][:number]
        png = draw_annotations(Split('', content, tmp_path / 'images'))
        pictures.append(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))
    assert pictures[0].std() > 5
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()


def test_small_images_are_trained_on(main, source, tmp_path):
    content = json.loads(source.read_text())
    for image in content['images']:
        picture = cv2.imread(f'images/{image["file_name"]}')
        cv2.imwrite(f'images/{image["file_name"]}', picture[:28, :28])
        image.update(width=28, height=28)
    for annotation in content['annotations']:
        annotation['bbox'] = [annotation['id'] % 9, 3, 12, 12]
    source.write_text(json.dumps(content))
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    run(main, source, '--val', val, '--out', 'mine', '--detector', 'retinanet-small')
    cfg = Config.fromfile('mine/alrp_retinanet-small_mine.py')
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, '_scope_': 'mmdet'})
    with_objects = {a['image_id'] for a in content['annotations'] if not a['iscrowd']}
    assert len(dataset) == len(with_objects)


def test_coco_stays_where_it_is(main, source, tmp_path, capsys):
    val = write_coco(tmp_path, make_coco(tmp_path, seed=1), 'val')
    run(main, source, '--val', val, '--out', 'mine')
    assert sorted(path.name for path in Path('mine').rglob('*')) == [
        'alrp_atss_mine.py',
        'annotations.png',
    ]
    cfg = Config.fromfile('mine/alrp_atss_mine.py')
    assert cfg.train_dataloader.dataset.ann_file == str(source.resolve())
    # What is printed last can be typed: paths are there or will be made by training.
    commands = [shlex.split(line, comments=True) for line in capsys.readouterr().out.split('\n')]
    commands = [command for command in commands if command and command[0] == 'python']
    assert [Path(command[1]).name for command in commands] == [
        'train.py',
        'test.py',
        'draw_detections.py',
        'test.py',
    ]
    for command in commands:
        assert Path(command[1]).is_file() and Path(command[2]).is_file()


def test_nothing_is_overwritten(main, source, tmp_path):
    run(main, source, '--out', 'mine')
    before = {path: path.read_bytes() for path in Path('mine').rglob('*') if path.is_file()}
    config = Path('mine/alrp_atss_mine.py')
    with pytest.raises(SystemExit, match=r'error: mine/alrp_atss_mine\.py exists; --force'):
        run(main, source, '--out', 'mine')
    config.unlink()
    with pytest.raises(SystemExit, match=r'error: mine/annotations\.png exists; --force'):
        run(main, source, '--out', 'mine')
    Path('mine/annotations.png').unlink()
    with pytest.raises(SystemExit, match=r'error: mine/annotations/train\.json exists; --force'):
        run(main, source, '--out', 'mine')
    assert not config.exists()
    run(main, source, '--out', 'mine', '--force')
    assert {path: path.read_bytes() for path in before} == before
    # Not even by force what is read: its copy would have to be written over it.
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        del annotation['area']
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='is an input, and would be overwritten'):
        run(main, source, '--out', '.', '--force')
    assert json.loads(source.read_text()) == content
    picture = cv2.flip(cv2.imread('images/0_1.png'), 0)
    cv2.imwrite('images/annotations.png', picture)
    content['images'].append(dict(id=99, file_name='annotations.png', width=64, height=48))
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r'images/annotations\.png is an input'):
        run(main, source, '--out', 'images', '--force')
    assert (cv2.imread('images/annotations.png') == picture).all()
    Path('file').touch()
    with pytest.raises(SystemExit, match='error: file is not a folder'):
        run(main, source, '--out', 'file')


def test_errors_are_told_together_and_nothing_is_written(main, source, capsys):
    content = json.loads(source.read_text())
    content['annotations'][0]['bbox'] = [5, 5, 0, 9]
    content['images'].append(dict(id=9, file_name='lost.png', width=5, height=5))
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='error: mend the errors above first; nothing was'):
        run(main, source, '--out', 'mine')
    assert not Path('mine').exists()
    output = capsys.readouterr().out
    assert re.search(r'errors:\n  .*train\.json\n    - .*lost\.png', output)
    assert 'boxes have no area: id 1' in output


@pytest.mark.parametrize('both', [True, False])
def test_images_of_validation_are_looked_for_in_the_given_folder_first(main, tmp_path, both):
    """``both``: whether it has them, too; else they are beside their annotations."""
    sources = []
    for seed, name in enumerate(('train', 'val')):
        content = make_coco(tmp_path / name, seed=seed)
        sources.append(write_coco(tmp_path / name, content))
        if name == 'train' or both:
            shutil.copytree(tmp_path / name / 'images', tmp_path / 'given', dirs_exist_ok=True)
            shutil.rmtree(tmp_path / name / 'images')
    train, val = sources
    out = tmp_path / 'mine'
    run(main, train, '--val', val, '--images', tmp_path / 'given', '--out', out)
    cfg = Config.fromfile(out / 'alrp_atss_mine.py')
    folder = tmp_path / ('given' if both else 'val/images')
    assert cfg.val_dataloader.dataset.data_prefix.img == f'{folder}/'
    assert cfg.train_dataloader.dataset.data_prefix.img == f'{tmp_path / "given"}/'


def test_images_of_validation_that_are_nowhere(main, tmp_path):
    train, val = (
        write_coco(tmp_path / name, make_coco(tmp_path / name, seed=seed))
        for seed, name in enumerate(('train', 'val'))
    )
    shutil.rmtree(tmp_path / 'val' / 'images')
    given = tmp_path / 'train' / 'images'
    with pytest.raises(SystemExit, match=rf'error: {val}: its images, .* are not in {given}\.'):
        run(main, train, '--val', val, '--images', given, '--out', tmp_path / 'mine')


def test_a_misspelt_class_is_told_once_with_the_names_that_are_known(
    main, source, tmp_path, capsys
):
    content = make_coco(tmp_path, seed=1)
    content['categories'][0]['name'] = 'blot'
    val = write_coco(tmp_path, content, 'val')
    with pytest.raises(SystemExit, match='mend the errors'):
        run(main, source, '--val', val, '--out', 'mine')
    output = capsys.readouterr().out
    assert (
        "the class 'blot', which the training data do not have: these are 'bolt', 'nut'" in output
    )
    assert 'category_id' not in output


def test_corners_in_place_of_sizes_are_an_error(main, source, capsys):
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x + 20, y + 20, x + 20 + w, y + 20 + h]
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='mend the errors'):
        run(main, source, '--out', 'mine')
    assert 'most boxes stick out of their image: [x, y, width, height]' in capsys.readouterr().out


def test_a_class_without_objects_is_a_warning(main, source, capsys):
    content = json.loads(source.read_text())
    content['categories'].append(dict(id=7, name='rivet'))
    source.write_text(json.dumps(content))
    run(main, source, '--out', 'mine')
    assert re.search(r'classes without objects for train \(.*rivet\)', capsys.readouterr().out)


@pytest.mark.parametrize(
    'args, message',
    [
        (('nowhere', '--out', 'mine'), 'error: there is no nowhere'),
        (('annotations', '--out', 'mine'), 'error: annotations is no annotations of a format'),
    ],
)
def test_wrong_arguments(main, source, args, message):
    with pytest.raises(SystemExit, match=message):
        run(main, *args)


@pytest.mark.parametrize(
    'option, message',
    [
        ('--val-fraction=0', 'between 0 and 1'),
        ('--val-fraction=1', 'between 0 and 1'),
        ('--val-fraction=-.1', 'between 0 and 1'),
        ('--epochs=0', '--epochs must be at least 1'),
    ],
)
def test_numbers_out_of_range(main, source, option, message, capsys):
    with pytest.raises(SystemExit):
        run(main, source, '--out', 'mine', option)
    assert message in capsys.readouterr().err


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
def test_commands_that_are_printed_run(command, tmp_path):
    write_voc(tmp_path, make_coco(tmp_path))
    args = '.', '--out', 'my bolts', '--detector', 'retinanet', '--val-fraction', '.5'
    result = command(sys.executable, TOOLS / 'new_project.py', *args)
    assert result.returncode == 0, result.stderr
    with (tmp_path / 'my bolts' / 'alrp_retinanet_my_bolts.py').open('a') as config:
        config.write(SHRUNK)
    lines = re.findall(r'^  python (.*)', result.stdout, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        result = command('bash', '-c', f'{sys.executable} {line}')
        assert result.returncode == 0, result.stderr
    mine = tmp_path / 'my bolts'
    [best] = (mine / 'work_dir').glob('best_*.pth')
    args = '.', '--out', 'again', '--detector', 'retinanet', '--load-from', best
    assert command(sys.executable, TOOLS / 'new_project.py', *args).returncode == 0
    config = tmp_path / 'again' / 'alrp_retinanet_again.py'
    config.write_text(config.read_text() + SHRUNK)
    result = command(sys.executable, TOOLS / 'train.py', config)
    assert result.returncode == 0, result.stderr
    assert re.search('Fine-tuning from .*best_coco.*\nloaded:\n  backbone', result.stdout)
    assert 'starts anew' not in result.stdout
    assert len(list((mine / 'work_dir').glob('best_coco_bbox_mAP_epoch_1.pth'))) == 1
    thresholds = json.loads((mine / 'thresholds.json').read_text())['thresholds']
    assert list(thresholds) == sorted(CLASSES)
    assert cv2.imread(str(mine / 'detections.png')).std() > 5
