"""README and documentation are correct: code runs, commands are accepted, links have targets."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from mmdet.registry import HOOKS, METRICS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import alrp
import alrp_mmdet

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs'
PAGES = [
    *(ROOT / f'{name}.md' for name in ('README', 'CONTRIBUTING', 'CHANGELOG', 'benchmarks/README')),
    *sorted(DOCS.glob('*.md')),
]
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason='no docs in this installation')
of_each_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))

# The config that a fragment without `_base_` is added to.
BASE = "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'\n"
SMALL = ROOT / 'configs' / 'retinanet' / 'alrp_retinanet_r18_fpn_demo_shapes.py'


def parse(page: Path):
    return MarkdownIt().enable('table').parse(page.read_text(encoding='utf-8'))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Line number and text of all code blocks in a language, without those of another test.

    A comment before such a block names its test.
    """
    tokens = parse(page)
    return [
        (x.map[0] + 2, x.content)
        for before, x in pairwise(tokens)
        if x.info.strip() == language and not re.match(r'<!-- \S+: tests/', before.content)
    ]


def directives(page: Path) -> list[tuple[str, str]]:
    """Name with argument, and text, of all MyST directives."""
    return [(x.info, x.content) for x in parse(page) if x.info.startswith('{')]


def headings(page: Path) -> list[str]:
    """The anchors of a page, as GitHub and MyST create them."""
    tokens = parse(page)
    texts = [after.content for x, after in pairwise(tokens) if x.type == 'heading_open']
    return [re.sub(r'[^\w\- ]', '', text.lower()).replace(' ', '-') for text in texts]


def is_config(code: str) -> bool:
    return all(isinstance(node, ast.Assign) for node in ast.parse(code).body)


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """The current folder, with the files that the pages refer to."""
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'config.py').write_text(
        f'_base_ = {str(SMALL)!r}\ntest_dataloader = dict(dataset=dict(num_images=1))\n'
    )
    cfg = Config.fromfile(SMALL)
    classes = ('disc', 'square', 'star', 'ring')
    meta = dict(dataset_meta=dict(classes=classes, palette=[(0, 0, 0)] * len(classes)))
    state_dict = MODELS.build({**cfg.model, '_scope_': 'mmdet'}).state_dict()
    torch.save(dict(state_dict=state_dict, meta=meta), tmp_path / 'checkpoint.pth')
    thresholds = json.dumps(dict(thresholds=dict.fromkeys(classes, 0.0)))
    (tmp_path / 'thresholds.json').write_text(thresholds)
    curve = dict(scores=[0, 1], calibrated=[0, 1])
    calibration = json.dumps(dict(version=1, calibration=dict.fromkeys(classes, curve)))
    (tmp_path / 'calibration.json').write_text(calibration)
    cv2.imwrite(str(tmp_path / 'picture.jpg'), np.zeros((64, 64, 3), dtype=np.uint8))
    box = dict(image_id=1, category_id=1, bbox=[0, 0, 9, 9])
    truth = dict(
        images=[dict(id=1, width=64, height=64)],
        annotations=[dict(id=1, area=81, **box)],
        categories=[dict(id=1, name='disc')],
    )
    (tmp_path / 'instances_val2017.json').write_text(json.dumps(truth))
    for name in ('results', 'other'):
        (tmp_path / f'{name}.bbox.json').write_text(json.dumps([dict(score=0.5, **box)]))
    panoptic = ROOT / 'tests' / 'data' / 'panoptic'
    for source, name in dict(gt='panoptic_val2017', dt='results.panoptic').items():
        shutil.copy(panoptic / f'{source}.json', tmp_path / f'{name}.json')
        (tmp_path / name).symlink_to(panoptic / source)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@of_each_page
def test_python_runs_or_is_a_config(page, workplace, monkeypatch):
    # What a page registers is gone after the test.
    monkeypatch.setattr(MODELS, '_module_dict', dict(MODELS._module_dict))
    scope = {}
    for line, code in blocks(page, 'python'):
        if is_config(code):
            check_config(code, workplace / 'config_from_page.py')
        else:
            padded = '\n' * (line - 1) + code  # so that errors have the page's line numbers
            exec(compile(padded, page, 'exec'), scope)


def check_config(code: str, path: Path) -> None:
    """The config loads, and its model, metric and hooks can be built."""
    path.write_text(code if '_base_' in code else BASE + code)
    cfg = Config.fromfile(path)
    init_default_scope('mmdet')
    with torch.device('meta'):  # needs no memory or time
        MODELS.build(cfg.model)
    METRICS.build({**cfg.val_evaluator, 'ann_file': None})
    hooks = *cfg.default_hooks.values(), *cfg.get('custom_hooks', [])
    for hook in hooks:
        if HOOKS.get(hook['type']).__module__.startswith('alrp_mmdet'):
            HOOKS.build(hook)


def test_example_of_the_loss_alone_trains(capsys):
    [code] = [code for _, code in blocks(DOCS / 'how_it_works.md', 'python')]
    exec(code, {})
    losses = re.findall(r'0\.\d+', capsys.readouterr().out)
    assert float(losses[0]) < 0.3 and float(losses[1]) < 0.3


class AcceptedError(Exception):
    """A tool has accepted a command line."""


@of_each_page
def test_commands_are_accepted(page, monkeypatch, tmp_path):
    parse_args = ArgumentParser.parse_args

    def only_parse(self, *args, **kwargs):
        parse_args(self, *args, **kwargs)
        raise AcceptedError

    monkeypatch.setattr(ArgumentParser, 'parse_args', only_parse)
    monkeypatch.chdir(tmp_path)  # an empty folder
    for line, code in blocks(page, 'bash'):
        for command in code.replace('\\\n', ' ').splitlines():
            words = shlex.split(command, comments=True)
            if words:
                try:
                    check_command(words, monkeypatch)
                except SystemExit as error:
                    raise AssertionError(f'{page.name}, line {line}: {command}') from error


def check_command(words: list[str], monkeypatch) -> None:
    """The command is a Makefile target, or one of our tools with arguments that it accepts."""
    while re.match(r'[A-Z_]+=', words[0]):  # environment variables
        words = words[1:]
    for word in words:
        if re.match(r'(configs|tools|benchmarks|docs|tests)/', word):
            assert (ROOT / word).exists(), word
    name, *arguments = words
    if name in ('git', 'pip', 'pytest', 'source') or arguments == ['--help']:
        return
    if name == 'make':
        targets = re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
        asked = [word for word in arguments if '=' not in word]
        assert asked and set(asked) <= set(targets)
        return
    if name.endswith('.sh'):  # print the command instead of running it
        Path('bin').mkdir(exist_ok=True)
        Path('bin/srun').write_text('#!/bin/sh\necho "$@"\n')
        Path('bin/srun').chmod(0o755)
        env = dict(os.environ, PYTHON='echo', PATH=f'{Path("bin").resolve()}:{os.environ["PATH"]}')
        result = subprocess.run(
            [ROOT / name, *arguments], env=env, capture_output=True, text=True, check=True
        )
        arguments = result.stdout.split()
        arguments = arguments[next(i for i, x in enumerate(arguments) if x.endswith('.py')) :]
    elif name == 'alrp':
        [script] = ROOT.glob(f'tools/**/{arguments[0].replace("-", "_")}.py')
        arguments = [str(script), *arguments[1:]]
    else:
        assert name == 'python', name
    tool, *arguments = arguments
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    monkeypatch.syspath_prepend(str((ROOT / tool).parent))  # as Python does
    with pytest.raises(AcceptedError):
        runpy.run_path(str(ROOT / tool), run_name='__main__')


@of_each_page
def test_links_have_targets(page):
    for token in parse(page):
        for part in token.children or ():
            link = part.attrGet('href') or part.attrGet('src')
            if not link or re.match(r'[a-z]+:', link):
                continue
            path, _, anchor = unquote(link).partition('#')
            target = page.parent / path if path else page
            assert target.exists(), link
            if anchor:
                assert anchor in headings(target), link


def test_contents_list_every_page():
    contents = [text for name, text in directives(DOCS / 'index.md') if name == '{toctree}']
    listed = re.findall(r'^(\w+)$', '\n'.join(contents), re.MULTILINE)
    assert sorted(listed) == sorted(page.stem for page in DOCS.glob('*.md') if page.stem != 'index')


def test_api_lists_every_public_package():
    """Packages with ``__all__``; the others are internal."""
    text = (DOCS / 'api.md').read_text(encoding='utf-8')
    names = re.findall(r'^\.\. auto(\w+):: (\S+)', text, re.MULTILINE)
    for kind, name in names:
        assert pkgutil.resolve_name(name).__doc__ or kind == 'module', name
    packages = {
        f'{parent.__name__}.{module.name}'
        for parent in (alrp, alrp_mmdet)
        for module in pkgutil.iter_modules(parent.__path__)
        if module.ispkg
    }
    public = {name for name in packages if hasattr(importlib.import_module(name), '__all__')}
    assert {name for kind, name in names if kind == 'module'} == public


def test_defaults_match_the_code():
    """Checks the tables of configs.md: one under the name of its class, or one class per row."""
    places = (alrp_mmdet.models, alrp_mmdet.hooks, alrp_mmdet.evaluation)
    text = (DOCS / 'configs.md').read_text(encoding='utf-8')
    documented = []
    for name, section in re.findall(r'^### (\w+)\n(.*?)(?=^##)', text, re.DOTALL | re.MULTILINE):
        rows = re.findall(r'^\| `(\w+)` \| (.+?) \|', section, re.MULTILINE)
        documented += [(name, *row) for row in rows]
    for name, row in re.findall(r'^\| `(\w+(?:Metric|Hook))` \|(.*)', text, re.MULTILINE):
        documented += [(name, *argument) for argument in re.findall(r'`(\w+)` \((.+?)\)', row)]
    for name, key, default in documented:
        [cls] = {getattr(place, name) for place in places if hasattr(place, name)}
        parameters = {}
        for parent in reversed(cls.__mro__):
            if parent.__module__.startswith('alrp_mmdet'):
                parameters |= inspect.signature(parent.__init__).parameters
        if default == 'required':
            expected = inspect.Parameter.empty
        else:
            expected = eval(default.strip('`'), {})
        assert parameters[key].default == expected, (name, key)
    assert len(documented) > 15


@pytest.mark.slow
def test_documentation_builds_without_warnings(tmp_path):
    pytest.importorskip('sphinx', reason='installed by make docs')
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html']
    result = subprocess.run([*command, DOCS, tmp_path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'index.html').is_file()
