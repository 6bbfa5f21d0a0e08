import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from lrp_helpers import NAMES, TOOL


@pytest.fixture(scope='module')
def main():
    return runpy.run_path(str(TOOL))['main']


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Ground truth and two sets of results in the current folder, which is ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    annotations = [
        dict(id=i + 1, image_id=i % 4, category_id=i % 3 + 1, bbox=[20 * i, 5, 15, 15], area=225)
        for i in range(24)
    ]
    truth = dict(
        images=[dict(id=i) for i in range(4)],
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(NAMES)],
        annotations=annotations,
    )
    results = [
        dict(
            image_id=a['image_id'],
            category_id=a['category_id'],
            bbox=[a['bbox'][0] + shift, 5, 15, 15],
            score=float(rng.uniform()),
        )
        for a in annotations
        for shift in (1.5 * a['category_id'], 40)
    ]
    other = [dict(r, bbox=[r['bbox'][0] + r['category_id'] - 2, 5, 15, 15]) for r in results[4:]]
    contents = dict(gt=truth, results=results, other=other)
    for name, content in contents.items():
        Path(f'{name}.json').write_text(json.dumps(content))
    return contents
