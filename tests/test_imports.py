"""What importing the core takes: which modules, and how long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORK = ('mmdet', 'mmengine', 'mmcv', 'alrp_mmdet')
# Third-party modules that each part of the core may import, not counting what those import.
ALLOWED = {'alrp.lrp': {'numpy'}, 'alrp.coco': set(), 'alrp.ranking': {'torch'}}


def run(code: str, *paths: Path) -> str:
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, [*paths, ROOT])))
    result = subprocess.run(
        [sys.executable, '-c', code], env=env, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize('name', ['alrp', 'alrp.coco', 'alrp.lrp', 'alrp.lrp.report'])
def test_torch_is_not_imported(name):
    code = f'import json, sys; before = {{*sys.modules}}; import {name}; '
    code += 'print(json.dumps(sorted({*sys.modules} - before)))'
    imported = {module.split('.')[0] for module in json.loads(run(code))}
    allowed = ALLOWED.get('.'.join(name.split('.')[:2]), set())
    assert imported - sys.stdlib_module_names - {'alrp'} <= allowed


@pytest.mark.parametrize(
    'name',
    [
        'new_project.py',
        'export.py',
        'analysis/calibrate.py',
        'analysis/draw_detections.py',
        'analysis/lrp.py',
        'checkpoints/convert_published.py',
    ],
)
def test_help_does_not_wait_for_torch(name):
    tool = ROOT / 'tools' / name
    code = (
        f'import atexit, runpy, sys; sys.argv = [{name!r}, "--help"]; '
        'atexit.register(lambda: print({"torch", "mmengine"} & {*sys.modules})); '
        f'runpy.run_path({str(tool)!r}, run_name="__main__")'
    )
    printed = run(code)
    assert printed.startswith('usage: ') and printed.endswith('\nset()\n')


def test_ranking_imports_torch_and_takes_little_longer():
    """Both imports are timed in one process, under the same load; one good run of three is enough.

    torch may import NumPy; ``alrp.ranking`` must not. A loss must not import torch's compiler.
    """
    code = (
        'import json, sys, time; times = [time.perf_counter()]; '
        'import torch; times.append(time.perf_counter()); before = {*sys.modules}; '
        'import alrp.ranking; times.append(time.perf_counter()); '
        'modules = sorted({*sys.modules} - before); logits = torch.randn(9, requires_grad=True); '
        'alrp.ranking.ap_loss(logits, torch.arange(9) < 3).backward(); '
        'print(json.dumps([times, modules, "torch._dynamo" in sys.modules]))'
    )
    ratios = []
    while not ratios or (ratios[-1] >= 1.5 and len(ratios) < 3):
        (start, after_torch, end), modules, imports_compiler = json.loads(run(code))
        ratios.append((end - start) / (after_torch - start))
        imported = {module.split('.')[0] for module in modules}
        assert imported - sys.stdlib_module_names <= {'alrp', 'torch'} and not imports_compiler
    assert ratios[-1] < 1.5, ratios


@pytest.mark.parametrize('name', ['alrp.ranking', 'alrp.lrp', 'alrp.coco', 'alrp.__main__'])
def test_a_broken_mmdetection_does_not_matter(name, tmp_path):
    """Such as one that refuses the installed MMCV."""
    for module in FRAMEWORK:
        (tmp_path / module).mkdir()
        text = f'raise ImportError("{module} does not fit")\n'
        (tmp_path / module / '__init__.py').write_text(text)
    check = f'import sys; import {name}; assert not {{*sys.modules}} & {{*{FRAMEWORK}}}'
    run(check, tmp_path)
