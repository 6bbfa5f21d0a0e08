"""The command ``alrp``: its list of tools, and how it runs them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alrp.__main__ import find_tools, first_sentence, main

ROOT = Path(__file__).parents[1]


def run(*arguments, cwd):
    command = [sys.executable, '-m', 'alrp', *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_all_tools_are_subcommands():
    scripts = (ROOT / 'tools').rglob('*.py')
    scripts = {path for path in scripts if not {'dev', 'launch'} & {*path.parts}}
    assert {path.resolve() for path in find_tools().values()} == scripts
    assert {'train', 'new-project', 'lrp', 'convert-published'} <= {*find_tools()}


def test_help_lists_them_with_a_line_each(capsys):
    main(['--help'])
    lines = capsys.readouterr().out.splitlines()
    for name, script in find_tools().items():
        [line] = [line for line in lines if line.split()[:1] == [name]]
        sentence = line.split(maxsplit=1)[1]
        assert script.read_text().startswith(f'"""{sentence}')
        assert len(line) <= 110


def test_first_sentence(tmp_path):
    script = tmp_path / 'script.py'
    for text, expected in {
        '"""Draw a\npicture. And more."""': 'Draw a picture',
        '"""Draw picture.png: ``draw.py IN``."""': 'Draw picture.png',
        '"""Draw."""\nraise SystemExit': 'Draw',
        'x = 1': '',
    }.items():
        script.write_text(text)
        assert first_sentence(script) == expected


def test_no_command_is_an_error_with_the_list(capsys):
    with pytest.raises(SystemExit) as error:
        main([])
    assert error.value.code == 2
    assert 'plot-curves' in capsys.readouterr().err


@pytest.mark.parametrize(
    'name, named',
    [('trian', 'train'), ('new-projekt', 'new-project'), ('qqq', 'convert-published')],
)
def test_unknown_command_is_an_error_with_similar_names(name, named, capsys):
    with pytest.raises(SystemExit) as error:
        main([name])
    assert error.value.code == 2
    printed = capsys.readouterr()
    assert repr(name) in printed.err and named in printed.err and printed.out == ''


def test_version(capsys):
    main(['--version'])
    assert capsys.readouterr().out.strip() == '0.2.0'


@pytest.mark.parametrize('name', ['lrp', 'train'])
def test_a_tool_runs_from_anywhere(name, tmp_path):
    if name != 'lrp':
        pytest.importorskip('mmdet')
    result = run(name, '--help', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f'usage: alrp {name} ' in result.stdout


@pytest.mark.parametrize('name', ['new-project', 'new_project'])
def test_a_hyphen_may_replace_an_underscore(name, monkeypatch):
    ran = []
    monkeypatch.setattr('alrp.__main__._run', lambda *arguments: ran.append(arguments))
    main([name, 'photos', '--out', 'folder'])
    [(script, command, arguments)] = ran
    assert script.name == 'new_project.py' and command == 'alrp new-project'
    assert arguments == ['photos', '--out', 'folder']


def test_arguments_and_exit_code_are_those_of_the_tool(tmp_path):
    result = run('lrp', 'gt.json', 'nowhere.json', cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, '')
    assert 'gt.json' in result.stderr


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    for name in ('mmengine', 'no_such_module'):
        (tmp_path / f'{name}.py').write_text(f'"""Use it."""\nimport {name}')
    monkeypatch.setattr('alrp.__main__.TOOLS', tmp_path)
    monkeypatch.setattr(sys, 'argv', sys.argv)
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    monkeypatch.setitem(sys.modules, 'mmengine', None)
    with pytest.raises(SystemExit, match='alrp mmengine needs mmengine, which is not installed'):
        main(['mmengine'])
    shutil.copy(ROOT / 'tools' / 'demo.py', tmp_path)
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(SystemExit, match='alrp demo needs torch, which is not installed'):
        main(['demo'])
    with pytest.raises(ModuleNotFoundError):  # a defect
        main(['no_such_module'])
