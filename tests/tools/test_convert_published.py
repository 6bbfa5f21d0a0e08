"""Convert checkpoints with the documented layouts of the published code."""

import functools

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from published_checkpoints import CLASSES, published, renamed
from tiny_detectors import tiny_config

from alrp_mmdet.transfer.fine_tuning import check_fits

DETECTORS = ('retinanet', 'atss', 'fovea', 'faster-rcnn')


@pytest.fixture
def run_tool(script):
    """Runs the tool in a folder of its own."""
    return functools.partial(script, 'checkpoints/convert_published.py')


@pytest.fixture
def convert(tmp_path, run_tool):
    """Writes a checkpoint and a small config, and runs the tool on them."""

    def run(detector: str, checkpoint, *args, num_classes: int = 3, given: bool = True):
        torch.save(checkpoint, tmp_path / 'old.pth')
        path = tmp_path / f'{detector}.py'
        if given:
            tiny_config(detector, num_classes, depth=50).dump(path)
            args = '--config', path, *args
        run_tool('old.pth', 'new.pth', *args)
        return path

    return run


@pytest.mark.parametrize('detector', DETECTORS)
def test_every_weight_is_converted(tmp_path, convert, capsys, detector):
    checkpoint = published(detector)
    config = convert(detector, checkpoint)
    printed = capsys.readouterr().out
    assert 'new.pth' in printed and '3 classes' in printed and 'note' not in printed

    converted = torch.load(tmp_path / 'new.pth', weights_only=True)
    assert converted['meta'] == dict(
        dataset_meta=dict(classes=CLASSES),
        epoch=100,
        iter=366500,
        converted_from='MMDetection 2.0.0+unknown',
    )
    weights = converted['state_dict']
    old = {renamed(detector, name): x for name, x in checkpoint['state_dict'].items()}
    assert all(torch.equal(weights[name], value) for name, value in old.items())
    assert all('self_balance' in name for name in weights if name not in old)
    model = MODELS.build(Config.fromfile(config).model)
    check_fits(model, load_checkpoint(model, str(tmp_path / 'new.pth')), 'new.pth', CLASSES)
    assert torch.equal(model.neck.fpn_convs[3].conv.weight, old['neck.fpn_convs.3.conv.weight'])


def test_atss_with_the_names_of_retinanet(tmp_path, convert):
    checkpoint = published('atss', atss='retina')
    convert('atss', checkpoint)
    weights = torch.load(tmp_path / 'new.pth')['state_dict']
    for layer in ('cls', 'reg'):
        old = checkpoint['state_dict'][f'bbox_head.retina_{layer}.weight']
        assert torch.equal(weights[f'bbox_head.atss_{layer}.weight'], old)


def test_foveabox_with_the_names_of_later_versions(tmp_path, convert):
    checkpoint = published('fovea')
    state_dict = checkpoint['state_dict']
    for name in [name for name in state_dict if '.fovea_' in name]:
        state_dict[renamed('fovea', name)] = state_dict.pop(name)
    convert('fovea', checkpoint)
    weights = torch.load(tmp_path / 'new.pth')['state_dict']
    for layer in ('cls', 'reg'):
        name = f'bbox_head.conv_{layer}.weight'
        assert torch.equal(weights[name], state_dict[name])


def test_notes_on_missing_config_and_classes(convert, capsys):
    checkpoint = published('fovea')
    del checkpoint['meta']['config'], checkpoint['meta']['CLASSES']
    convert('fovea', checkpoint)
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith('note: ')]
    assert len(notes) == 2
    assert 'config text' in notes[0] and 'assuming the boxes' in notes[0]
    assert 'class names' in notes[1]


@pytest.mark.parametrize(
    'text, note',
    [
        ('model = dict(', 'not valid Python (SyntaxError)'),
        ('model = build()', 'no readable model'),
        ("model = dict(type='RetinaNet')", 'no target_stds'),
    ],
)
def test_notes_on_config_text_without_the_settings(convert, capsys, text, note):
    checkpoint = published('retinanet')
    checkpoint['meta']['config'] = text
    convert('retinanet', checkpoint)
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith('note: ')]
    assert note in line and 'assuming the boxes' in line


def test_a_config_may_have_tuples(tmp_path, run_tool):
    torch.save(published('retinanet'), tmp_path / 'old.pth')
    cfg = tiny_config('retinanet', 3, depth=50)
    for name in ('mean', 'std'):
        cfg.model.data_preprocessor[name] = tuple(cfg.model.data_preprocessor[name])
    cfg.dump(tmp_path / 'tuples.py')
    run_tool('old.pth', 'new.pth', '--config', 'tuples.py')
    assert (tmp_path / 'new.pth').is_file()


def test_a_config_that_cannot_be_read(tmp_path, run_tool):
    torch.save(published('retinanet'), tmp_path / 'old.pth')
    (tmp_path / 'broken.py').write_text('model = dict(')
    with pytest.raises(SystemExit, match=r'^error: .*config broken\.py.*SyntaxE'):
        run_tool('old.pth', 'new.pth', '--config', 'broken.py')
    assert not (tmp_path / 'new.pth').exists()


def test_config_text_is_not_run(tmp_path, convert):
    checkpoint = published('retinanet')
    evil = f"__import__('os').mkdir({str(tmp_path / 'was_run')!r})\n"
    checkpoint['meta']['config'] += evil + f'x = {evil}'
    convert('retinanet', checkpoint)
    assert not (tmp_path / 'was_run').exists()


@pytest.mark.parametrize(
    'detector, old, new, named',
    [
        (
            'retinanet',
            '[0.1, 0.1, 0.2, 0.2]',
            '[1.0, 1.0, 1.0, 1.0]',
            r'bbox_coder\.target_stds: \[1\.0, 1',
        ),
        ('faster-rcnn', '[0.1, 0.1, 0.2, 0.2]', '[1.0, 1.0, 1.0, 1.0]', r'rpn_head\.bbox_coder\.t'),
        ('atss', 'octave_base_scale=4', 'octave_base_scale=8', r'octave_base_scale: 8, .* 4\n'),
        ('fovea', '[16, 32, 64', '[8, 32, 64', r'bbox_head\.base_edge_list: \[8'),
        ('retinanet', "style='pytorch'", "style='caffe'", r'backbone\.style: caffe, .* pytorch\n'),
        ('retinanet', 'std=[58.395', 'std=[1.0', r'img_norm_cfg\.std: \[1\.0'),
        ('retinanet', 'to_rgb=True', 'to_rgb=False', r'img_norm_cfg\.to_rgb: False, .* True\n'),
    ],
)
def test_other_decoding_settings_are_refused(tmp_path, convert, detector, old, new, named):
    checkpoint = published(detector)
    assert old in checkpoint['meta']['config']
    checkpoint['meta']['config'] = checkpoint['meta']['config'].replace(old, new)
    with pytest.raises(SystemExit, match=rf'^error: .*old\.pth.*(?s:.*){named}'):
        convert(detector, checkpoint)
    assert not (tmp_path / 'new.pth').exists()


def without(name):
    def change(checkpoint):
        del checkpoint['state_dict'][name]

    return change


def with_(name, shape):
    def change(checkpoint):
        checkpoint['state_dict'][name] = torch.ones(shape)

    return change


def meta(**values):
    return lambda checkpoint: checkpoint['meta'].update(values)


def add_nan(checkpoint):
    checkpoint['state_dict']['bbox_head.retina_cls.bias'][2] = float('nan')


@pytest.mark.parametrize(
    'change, message',
    [
        (without('neck.fpn_convs.4.conv.bias'), 'neck.fpn_convs.4: bias not in the checkpoint'),
        (with_('bbox_head.extra.weight', 3), 'bbox_head.extra: not in the model'),
        (with_('bbox_head.retina_cls.weight', (24, 8, 3, 3)), 'retina_cls: 4 classes .* 3 '),
        (add_nan, 'bbox_head.retina_cls.bias: NaN or infinite'),
        (meta(CLASSES=('a', 'b')), ' 2 class.* 3 classes'),
        (meta(mmdet_version='1.2.0'), 'MMDetection 1.2.0.*MMDetection 2'),
        (meta(mmdet_version='3.3.0'), 'MMDetection 3'),
        (meta(mmdet_version=None, mmengine_version='0.10'), 'MMDetection 3'),
        (meta(mmdet_version=None), 'no meta.mmdet_version'),
    ],
)
def test_checkpoints_that_do_not_fit_are_refused(tmp_path, convert, change, message):
    checkpoint = published('retinanet')
    change(checkpoint)
    with pytest.raises(SystemExit, match=rf'(?s)error: old\.pth.*{message}'):
        convert('retinanet', checkpoint)
    assert not (tmp_path / 'new.pth').exists()


def test_another_detector_is_refused(convert):
    with pytest.raises(SystemExit, match=r'old\.pth.*RetinaNet.*FOVEA'):
        convert('fovea', published('retinanet'))


def test_all_mismatches_are_listed(convert):
    checkpoint = published('retinanet')
    for name in ('neck.fpn_convs.4.conv.bias', 'backbone.bn1.weight'):
        del checkpoint['state_dict'][name]
    with pytest.raises(SystemExit) as error:
        convert('retinanet', checkpoint)
    assert '  - backbone.bn1: weight not' in str(error.value)
    assert '  - neck.fpn_convs.4: bias not' in str(error.value)


def test_nothing_is_overwritten_without_force(tmp_path, convert, run_tool):
    checkpoint = published('fovea')
    (tmp_path / 'new.pth').write_text('mine')
    with pytest.raises(SystemExit, match=r'new\.pth exists.*--force'):
        convert('fovea', checkpoint)
    checkpoint['meta']['mmdet_version'] = '1.0'
    with pytest.raises(SystemExit, match='MMDetection 1'):
        convert('fovea', checkpoint, '--force')
    assert (tmp_path / 'new.pth').read_text() == 'mine'
    convert('fovea', published('fovea'), '--force')
    assert 'state_dict' in torch.load(tmp_path / 'new.pth')
    assert list(tmp_path.glob('*.partial')) == []
    with pytest.raises(SystemExit, match=r'old\.pth .*input'):
        run_tool('old.pth', 'old.pth', '--force')
    with pytest.raises(SystemExit, match=r'file: gone\.pth'):
        run_tool('gone.pth', 'x.pth')


@pytest.mark.parametrize('content', [[1], dict(meta={})])
def test_a_file_without_weights_is_refused(convert, content):
    with pytest.raises(SystemExit, match=r'^error: old\.pth .*state_dict'):
        convert('retinanet', content, given=False)


@pytest.mark.slow
def test_a_whole_model_by_its_default_config(tmp_path, run_tool, capsys):
    checkpoint = published(
        'retinanet', [f'c{i}' for i in range(80)], width=64, stem=64, fpn=256, convs=4
    )
    torch.save(checkpoint, tmp_path / 'old.pth')
    run_tool('old.pth', 'new.pth')
    assert 'alrp_retinanet_r50_fpn_100e_coco500.py, 80 classes' in capsys.readouterr().out
    weights = torch.load(tmp_path / 'new.pth', mmap=True)['state_dict']
    assert torch.equal(
        weights['bbox_head.retina_cls.weight'],
        checkpoint['state_dict']['bbox_head.retina_cls.weight'],
    )
