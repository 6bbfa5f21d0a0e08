"""tools/new_project.py refuses bad data and arguments, and never overwrites files unasked."""

import json
import re
import shutil
from pathlib import Path

import cv2
import pytest
from format_writers import make_coco, write_coco
from mmengine.config import Config

from alrp_mmdet.project.config_writer import NO_WEIGHTS
from alrp_mmdet.project.data import DEFAULT_VAL_FRACTION
from alrp_mmdet.project.formats import FORMATS
from alrp_mmdet.project.recipes import DEFAULT_LOSS, LOSSES, RECIPES, SMALL_DETECTOR


def test_nothing_is_overwritten(new_project, source, tmp_path):
    new_project(source, '--out', 'mine')
    before = {path: path.read_bytes() for path in Path('mine').rglob('*') if path.is_file()}
    config = Path('mine/rs_atss_mine.py')
    with pytest.raises(SystemExit, match=r'error: mine/rs_atss_mine\.py .*--force'):
        new_project(source, '--out', 'mine')
    config.unlink()
    with pytest.raises(SystemExit, match=r'error: mine/annotations\.png .*--force'):
        new_project(source, '--out', 'mine')
    Path('mine/annotations.png').unlink()
    with pytest.raises(SystemExit, match=r'error: mine/annotations/train\.json .*--force'):
        new_project(source, '--out', 'mine')
    assert not config.exists()
    new_project(source, '--out', 'mine', '--force')
    assert {path: path.read_bytes() for path in before} == before
    # --force does not overwrite inputs.
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        del annotation['area']
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r'error: annotations/train\.json .*input'):
        new_project(source, '--out', '.', '--force')
    assert json.loads(source.read_text()) == content
    picture = cv2.flip(cv2.imread('images/0_1.png'), 0)
    cv2.imwrite('images/annotations.png', picture)
    content['images'].append(dict(id=99, file_name='annotations.png', width=64, height=48))
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r'error: images/annotations\.png .*input'):
        new_project(source, '--out', 'images', '--force')
    assert (cv2.imread('images/annotations.png') == picture).all()
    Path('file').touch()
    with pytest.raises(SystemExit, match='error: file is not a folder'):
        new_project(source, '--out', 'file')


def test_all_errors_are_listed_and_nothing_is_written(new_project, source, capsys):
    content = json.loads(source.read_text())
    content['annotations'][0]['bbox'] = [5, 5, 0, 9]
    content['images'].append(dict(id=9, file_name='lost.png', width=5, height=5))
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='error: '):
        new_project(source, '--out', 'mine')
    assert not Path('mine').exists()
    output = capsys.readouterr().out
    assert re.search(r'errors:\n  .*train\.json\n    - .*lost\.png', output)
    assert re.search(r'area.*\bid 1\b', output)


def test_the_choices_are_those_of_the_package(new_project_main):
    """The tool lists them itself, because the import of the package takes seconds."""
    tool = new_project_main.__globals__
    boxes = {name for name, recipe in RECIPES.items() if not recipe.masks}
    assert {*tool['DETECTORS']} == boxes == {*RECIPES} - {tool['MASKS']}
    assert SMALL_DETECTOR == 'retinanet-small' and NO_WEIGHTS == 'none'
    assert tool['LOSSES'] == (*LOSSES,) and tool['LOSSES'][0] == DEFAULT_LOSS
    assert tool['FORMATS'] == (*FORMATS,)
    assert tool['VAL_FRACTION'] == DEFAULT_VAL_FRACTION


@pytest.mark.parametrize('both', [True, False])
def test_validation_images_are_searched_in_the_given_folder_first(new_project, tmp_path, both):
    """If ``both``, it has the validation images too; else they are next to their annotations."""
    sources = []
    for seed, name in enumerate(('train', 'val')):
        content = make_coco(tmp_path / name, seed=seed)
        sources.append(write_coco(tmp_path / name, content))
        if name == 'train' or both:
            shutil.copytree(tmp_path / name / 'images', tmp_path / 'given', dirs_exist_ok=True)
            shutil.rmtree(tmp_path / name / 'images')
    train, val = sources
    out = tmp_path / 'mine'
    new_project(train, '--val', val, '--images', tmp_path / 'given', '--out', out)
    cfg = Config.fromfile(out / 'rs_atss_mine.py')
    folder = tmp_path / ('given' if both else 'val/images')
    assert cfg.val_dataloader.dataset.data_prefix.img == f'{folder}/'
    assert cfg.train_dataloader.dataset.data_prefix.img == f'{tmp_path / "given"}/'


def test_missing_validation_images(new_project, tmp_path):
    train, val = (
        write_coco(tmp_path / name, make_coco(tmp_path / name, seed=seed))
        for seed, name in enumerate(('train', 'val'))
    )
    shutil.rmtree(tmp_path / 'val' / 'images')
    given = tmp_path / 'train' / 'images'
    with pytest.raises(SystemExit, match=rf'error: {val}: .*1_1\.png.* {given}\b'):
        new_project(train, '--val', val, '--images', given, '--out', tmp_path / 'mine')


def test_a_misspelt_class_is_reported_once_with_the_known_names(
    new_project, source, tmp_path, capsys
):
    content = make_coco(tmp_path, seed=1)
    content['categories'][0]['name'] = 'blot'
    val = write_coco(tmp_path, content, 'val')
    with pytest.raises(SystemExit, match='error: '):
        new_project(source, '--val', val, '--out', 'mine')
    output = capsys.readouterr().out
    assert re.search("class 'blot'.* 'bolt', 'nut', 'washer'", output)
    assert output.count('blot') == 1
    assert 'category_id' not in output


def test_corners_instead_of_sizes_are_an_error(new_project, source, capsys):
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x + 20, y + 20, x + 20 + w, y + 20 + h]
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='error: '):
        new_project(source, '--out', 'mine')
    errors = capsys.readouterr().out.split('warnings:')[0]
    assert re.search(r'\[x, y, width, height\].* \[x1, y1, x2, y2\]', errors)


def test_a_class_without_objects_is_a_warning(new_project, source, capsys):
    content = json.loads(source.read_text())
    content['categories'].append(dict(id=7, name='rivet'))
    source.write_text(json.dumps(content))
    new_project(source, '--out', 'mine')
    assert re.search(r'classes without objects in train \(.*rivet\)', capsys.readouterr().out)


@pytest.mark.parametrize(
    'args, message',
    [
        (('nowhere', '--out', 'mine'), 'error: nowhere does not exist'),
        (('images', '--val', 'lost', '--out', 'mine'), 'error: lost does not exist'),
        (('annotations', '--out', 'mine'), 'error: annotations: .* format.*COCO'),
    ],
)
def test_wrong_arguments(new_project, source, args, message):
    with pytest.raises(SystemExit, match=message):
        new_project(*args)


@pytest.mark.parametrize(
    'option, message',
    [
        ('--val-fraction=0', 'between 0 and 1'),
        ('--val-fraction=1', 'between 0 and 1'),
        ('--val-fraction=-.1', 'between 0 and 1'),
        ('--epochs=0', '--epochs must be at least 1'),
    ],
)
def test_numbers_out_of_range(new_project, source, option, message, capsys):
    with pytest.raises(SystemExit):
        new_project(source, '--out', 'mine', option)
    assert message in capsys.readouterr().err


def test_only_difficult_objects_are_named_as_the_reason(new_project, source, capsys):
    content = json.loads(source.read_text())
    for annotation in content['annotations']:
        annotation['iscrowd'] = 1
    source.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='error: '):
        new_project(source, '--out', 'mine')
    pattern = r'nothing to train on: .*\d annotations are crowds or difficult'
    assert re.search(pattern, capsys.readouterr().out)


def test_missing_images_are_left_out_on_request(new_project, source, capsys):
    Path('images/0_1.png').unlink()
    with pytest.raises(SystemExit, match='error: '):
        new_project(source, '--out', 'mine')
    assert re.search(r'0_1\.png[^$]*--skip-missing', capsys.readouterr().out)
    new_project(source, '--out', 'mine', '--skip-missing', '--val-fraction', '.4')
    assert re.search(r'left out: .*1x: 0_1\.png', capsys.readouterr().out)
    content = json.loads(Path('mine/annotations/train.json').read_text())
    assert '0_1.png' not in [image['file_name'] for image in content['images']]
