"""The benchmarks run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_gpu_benchmark_on_the_cpu(tmp_path):
    output = tmp_path / 'table.md'
    command = [
        sys.executable,
        'benchmarks/gpu.py',
        '--device',
        'cpu',
        '--small',
        '--output',
        output,
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    rows = [line.split('|') for line in output.read_text().splitlines() if line.startswith('| ')]
    names = [row[1] for row in rows]
    for loss in ('focal loss', 'ap_loss', 'alrp_loss', 'rank_sort_loss', 'published loop'):
        assert sum(loss in name for name in names) == 2  # stages
    for detector in ('RetinaNet', 'ATSS', 'Faster R-CNN'):
        for precision in ('float32', 'mixed precision'):
            found = [name for name in names if detector in name and precision in name]
            assert [name.split(',')[1].strip() for name in found][1:] == ['alrp', 'rs']
    for row in rows[1:]:
        if 'mixed precision' in row[1]:
            assert 'GPU only' in row[2]
        else:
            assert float(row[4].strip()) > 0
