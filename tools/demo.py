"""Train, evaluate and draw a small aLRP RetinaNet on the generated shapes dataset.

Usage: ``python tools/demo.py``, or ``make demo``. It takes a few minutes on a CPU.
"""

import argparse
import importlib.util
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
CONFIG = TOOLS.parent / 'configs' / 'retinanet' / 'alrp_retinanet_r18_fpn_demo_shapes.py'
# The step, the time that is left and the interesting values in a line of the log.
STEP = r'Epoch\((?:train|val)\)\s+\[\d+\]\[\s*\d+/\d+\]'
ETA = r'eta: \S+'
NUMBERS = r'(?:loss\w*|self_balance|ranked_iou|coco/bbox_(?:mAP|oLRP)): \S+'


def main():
    argparse.ArgumentParser(description=__doc__.partition('\n')[0]).parse_args()
    for name in ('torch', 'mmengine', 'mmcv', 'mmdet', 'matplotlib'):
        if importlib.util.find_spec(name) is None:  # alrp says how to install it
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
    work_dir = new_work_dir(Path('work_dirs'), 'demo')
    print(f'Writing to {work_dir}')
    title = 'Training (a few minutes). The loss first rises, until self_balance has adapted'
    run(title, 'train.py', CONFIG, '--work-dir', work_dir)
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    thresholds = work_dir / 'thresholds.json'
    options = '--cfg-options', f'test_evaluator.thresholds_file={thresholds}'
    report = run('Evaluation', 'test.py', CONFIG, checkpoint, '--work-dir', work_dir, *options)
    detections, curves = work_dir / 'detections.png', work_dir / 'training_curves.png'
    options = '--thresholds', thresholds, '--out', detections
    run('Detections', 'analysis/draw_detections.py', CONFIG, checkpoint, *options)
    run('Curves', 'analysis/plot_curves.py', work_dir, '--out', curves)

    results = dict(re.findall(r'coco/bbox_(mAP\w*|oLRP\w*): (-?[\d.]+)', report))
    print('\nResults on the 100 validation images:')
    for name, key in dict(AP='', AP50='_50', AP75='_75', APs='_s', APm='_m', APl='_l').items():
        value = float(results['mAP' + key])
        print(f'  {name:5s}' + (f'{100 * value:5.1f}' if value >= 0 else '    - (no such objects)'))
    print(f'  oLRP {100 * float(results["oLRP"]):5.1f} (an error: lower is better)')
    print(f'Detections:  {detections}\nCurves:      {curves}\nCheckpoint:  {checkpoint}')
    print('Next: train on your own data, see docs/own_data.md.')


def new_work_dir(parent: Path, name: str) -> Path:
    """The first free folder name: every run gets its own."""
    number = 1
    while (work_dir := parent / (name if number == 1 else f'{name}_{number}')).exists():
        number += 1
    return work_dir


def run(title: str, tool: str, *args) -> str:
    """Run a tool, print the interesting part of its log, and return its whole output."""
    print(f'\n{title}', flush=True)
    started = time.monotonic()
    command = [sys.executable, TOOLS / tool, *args]
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        step, numbers = re.search(STEP, line), re.findall(NUMBERS, line)
        if step and numbers:
            print(f'  {step[0]}', *re.findall(ETA, line), *numbers, sep='  ', flush=True)
    code = process.wait()
    if code != 0:
        how = f'killed by {signal.Signals(-code).name}' if code < 0 else f'exit code {code}'
        text = ' '.join(map(str, command))
        sys.exit(''.join(lines[-40:]) + f'\nerror: command failed ({how}): {text}')
    print(f'  {time.monotonic() - started:.0f} s', flush=True)
    return ''.join(lines)


if __name__ == '__main__':
    main()
