"""Command lines that name files which do not exist, cannot be read, or are too many."""

import pytest


@pytest.mark.parametrize(
    'text, message',
    [
        (None, r'there is no config a\.py$'),
        ('model = dict(', r'.*a\.py .*SyntaxError'),
        ('a = [1]\nmodel = dict(b=a[3])', r'.*a\.py .*IndexError: .*a\.py, line 2\b'),
        (
            "custom_imports = dict(imports=['gone'], allow_failed_imports=False)\nmodel = dict()",
            r'.*a\.py .*ImportError: .*ImportError: .*gone',
        ),
        ("model = 'resnet'", r'a\.py .*detector.*: .*\bmodel$'),
        ('_base_ = "gone.py"', r'.*a\.py .*FileNotFoundError: .*gone\.py'),
        ('lr = 0.1', r'a\.py .*detector.*: .*\bmodel$'),
    ],
)
def test_not_a_config(tool, tmp_path, text, message):
    if text is not None:
        (tmp_path / 'a.py').write_text(text)
    with pytest.raises(SystemExit, match=f'error: {message}'):
        tool('train.py', 'a.py')


@pytest.mark.parametrize(
    'args, message',
    [
        (('train.py', '--resume', 'gone.pth'), '--resume: there is no checkpoint gone.pth'),
        (('train.py', '--auto-scale-lr'), 'auto_scale_lr = dict'),
        (('test.py', 'gone.pth'), 'checkpoint gone.pth'),
        (('test.py', 'any.pth', '--thresholds', 'gone.json'), 'file gone.json'),
        (('test.py', 'any.pth', '--calibration', 'gone.json'), 'file gone.json'),
        (('test.py', 'gone.pth', '--out', 'detections.txt'), '--out .*pkl.* detections.txt'),
    ],
)
def test_wrong_command(config, tool, args, message):
    name, *args = args
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        tool(name, config, *args)


@pytest.mark.parametrize(
    'name, args',
    [
        ('train.py', ['tiny.py', '--resume', 'run/epoch_3.pth']),
        ('train.py', ['tiny.py', '--cfg-options', 'load_from=run/epoch_3.pth']),
        ('test.py', ['tiny.py', 'run/epoch_3.pth']),
        ('export.py', ['tiny.py', 'run/epoch_3.pth', '--out', 'model.onnx']),
        ('analysis/draw_detections.py', ['tiny.py', 'run/epoch_3.pth']),
        ('infer.py', ['0.png', 'run/epoch_3.pth', '--out', 'out']),
        ('new_project.py', ['annotations.json', '--out', 'new', '--load-from', 'run/epoch_3.pth']),
    ],
)
def test_a_missing_checkpoint_names_those_that_are_there(config, script, tmp_path, name, args):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'epoch_12.pth').touch()
    facts = r'there is no checkpoint run/epoch_3\.pth; its folder has run/epoch_12\.pth'
    with pytest.raises(SystemExit, match=facts):
        script(name, *args)


def test_a_missing_config_names_those_that_are_there(config, tool):
    with pytest.raises(SystemExit, match=r'there is no config tina\.py; its folder has tiny\.py'):
        tool('train.py', 'tina.py')


def test_a_checkpoint_before_the_images(config, script, capsys):
    with pytest.raises(SystemExit):
        script('infer.py', 'run/epoch_1.pth', 'photos/', '--out', 'out')
    assert 'the checkpoint must be the last argument, got ' in capsys.readouterr().err


@pytest.mark.parametrize(
    'name, before, after',
    [
        ('train.py', ['--resume'], []),
        ('test.py', [], []),
        ('export.py', [], ['--out', 'model.onnx']),
        ('analysis/draw_detections.py', [], []),
        ('infer.py', [], ['--out', 'out']),
    ],
)
def test_two_checkpoints_are_an_error_message(config, script, capsys, name, before, after):
    with pytest.raises(SystemExit):
        script(name, config, *before, 'best_epoch_1.pth', 'best_epoch_2.pth', *after)
    message = capsys.readouterr().err
    assert 'one checkpoint' in message and 'best_epoch_1.pth best_epoch_2.pth' in message


@pytest.mark.parametrize(
    'name, args',
    [
        ('infer.py', ['0.png', 'run/epoch_1.pth', '--out', 'out']),
        ('analysis/draw_detections.py', ['tiny.py', 'run/epoch_1.pth']),
    ],
)
def test_a_score_threshold_is_a_number(script, capsys, name, args):
    with pytest.raises(SystemExit):
        script(name, *args, '--score-thr', 'nan')
    assert '--score-thr must be a number, got nan' in capsys.readouterr().err
