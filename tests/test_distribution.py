"""The distribution: declared dependencies, and the wheel in environments with little else."""

import ast
import importlib.metadata
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Others have the module's name.
DISTRIBUTIONS = dict(
    cv2='opencv-python', kornia_rs='kornia-rs', PIL='pillow', yaml='pyyaml', sklearn='scikit-learn'
)
INSTEAD = {'opencv-python'}  # of kornia-rs
BY_OTHERS = {'onnx', 'onnxscript'}  # imported by torch.onnx
FRAMEWORK = {'mmdet', 'mmengine', 'mmcv'}


@pytest.fixture
def arguments(monkeypatch) -> dict:
    """The arguments of ``setup``."""
    found = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('setuptools.setup', found.update)
    runpy.run_path('setup.py')
    return found


def imported(*folders: str) -> set[str]:
    """Distributions that the code in these folders imports at any place."""
    modules = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob('*.py')):
        if 'dev' in path.parts:  # not shipped
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.split('.')[0])
    modules -= {*sys.stdlib_module_names, 'alrp', 'alrp_mmdet'}
    return {DISTRIBUTIONS.get(name, name) for name in modules}


def names_of(requirements: list[str]) -> set[str]:
    return {re.match(r'[\w-]+', requirement)[0] for requirement in requirements}


@pytest.mark.parametrize(
    'folders, extras',
    [
        (['alrp/coco'], None),
        (['alrp/ranking'], ['torch']),
        (['alrp/lrp'], ['masks', 'report', 'panoptic', 'calibration']),
        (['alrp'], ['torch', 'masks', 'report', 'panoptic', 'calibration']),
        (['alrp', 'alrp_mmdet', 'tools'], ['mmdet', 'report', 'onnx', 'panoptic', 'calibration']),
    ],
)
def test_imports_are_declared(arguments, folders, extras):
    declared = set() if extras is None else names_of(arguments['install_requires'])
    for extra in extras or ():
        declared |= names_of(arguments['extras_require'][extra])
    assert imported(*folders) <= declared | (INSTEAD if 'panoptic' in (extras or ()) else set())


def test_declared_dependencies_are_imported(arguments):
    declared = names_of(arguments['install_requires'])
    declared = declared.union(*map(names_of, arguments['extras_require'].values()))
    assert declared == imported('alrp', 'alrp_mmdet', 'tools') | BY_OTHERS


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    source.mkdir()
    for name in ('alrp', 'alrp_mmdet', 'configs', 'tools'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith('.'):
            shutil.copy(path, source)
    options = ['--no-deps', '--no-build-isolation', '--no-index', '-w', str(folder), str(source)]
    run(sys.executable, '-m', 'pip', 'wheel', *options, cwd=folder)
    [path] = folder.glob('*.whl')
    return path


def run(*command, cwd: Path) -> str:
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    result = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def install(wheel: Path, folder: Path, dependencies: set[str]) -> Path:
    """The scripts' folder of a new environment with the wheel and links to its dependencies."""
    venv.create(folder, with_pip=False, symlinks=True)
    bin_ = folder / 'bin'
    pip = [sys.executable, '-m', 'pip', '--python', bin_ / 'python']
    run(*pip, 'install', '--no-deps', '--no-index', wheel, cwd=folder)
    scheme = dict(base=str(folder), platbase=str(folder))
    site = Path(sysconfig.get_path('purelib', 'venv', scheme))
    for name in dependencies:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {'..', '__pycache__'}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return bin_


def requirements_of(name: str, without: set[str]) -> set[str]:
    """A distribution and all installed distributions that it requires, directly or not."""
    found, open_ = set(), [name]
    while open_:
        name = open_.pop()
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another platform
            continue
        found.add(name)
        needed = names_of([r for r in requirements if 'extra ==' not in r])
        open_ += needed - found - without
    return found


@pytest.mark.slow
def test_wheel_ships_configs_tools_and_types(wheel):
    shipped = set(zipfile.ZipFile(wheel).namelist())
    for folder, kept in (('configs', '*.py'), ('tools', '*.py'), ('tools', '*.sh')):
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob(kept)}
        needed = {f'alrp_mmdet/.mim/{path}' for path in files if 'dev' not in path.parts}
        assert needed <= shipped
    report = ROOT / 'alrp' / 'lrp' / 'report'
    assert {str(path.relative_to(ROOT)) for path in report.glob('*.*')} <= shipped
    assert 'alrp/py.typed' in shipped
    assert not any('/dev/' in name for name in shipped)


@pytest.mark.slow
def test_wheel_evaluates_with_numpy_only(wheel, tmp_path):
    bin_ = install(wheel, tmp_path / 'venv', {'numpy'})
    box = dict(image_id=1, category_id=1, bbox=[0, 0, 10, 10])
    truth = dict(
        images=[dict(id=1)],
        categories=[dict(id=1, name='disc')],
        annotations=[dict(id=1, area=100, **box)],
    )
    (tmp_path / 'gt.json').write_text(json.dumps(truth))
    results = [dict(box, score=0.8, bbox=[0, 0, 10, 8])]
    (tmp_path / 'results.json').write_text(json.dumps(results))
    code = (
        'from importlib.util import find_spec; from alrp.lrp import evaluate_lrp; '
        f'assert not any(map(find_spec, {sorted(FRAMEWORK | {"torch", "rich"})})); '
        'print(evaluate_lrp("gt.json", "results.json").summary["oLRP"])'
    )
    printed = run(bin_ / 'python', '-c', code, cwd=tmp_path)
    assert float(printed) == pytest.approx(0.4)  # (1 - IoU) / (1 - tau) of IoU 0.8
    files = 'gt.json', 'results.json'
    printed = run(bin_ / 'alrp', 'lrp', *files, '--json', 'out.json', cwd=tmp_path)
    assert re.search(r'oLRP +\| +0\.400 ', printed)
    written = json.loads((tmp_path / 'out.json').read_text())
    assert written['summary']['oLRP'] == pytest.approx(0.4)
    assert 'train' in run(bin_ / 'alrp', '--help', cwd=tmp_path)


@pytest.mark.slow
def test_wheel_computes_the_loss_with_torch_only(wheel, tmp_path):
    dependencies = requirements_of('torch', without={'numpy'})
    bin_ = install(wheel, tmp_path / 'venv', dependencies)
    code = (
        'from importlib.util import find_spec; import torch; from alrp.ranking import alrp_loss; '
        f'assert not any(map(find_spec, {sorted(FRAMEWORK | {"numpy"})})); '
        'logits = torch.tensor([0.5, 1.0, -1.0], requires_grad=True); '
        'loss = alrp_loss(logits, torch.tensor([1, 0, 0]), torch.tensor([0.25])); '
        'loss[0].backward(); print(loss[0].item(), logits.grad.tolist())'
    )
    value, gradient = run(bin_ / 'python', '-W', 'ignore', '-c', code, cwd=tmp_path).split(' ', 1)
    assert 0 < float(value) < 1
    assert sum(json.loads(gradient)) == pytest.approx(0, abs=1e-6)
    assert json.loads(gradient)[0] < 0 < json.loads(gradient)[1]
