"""The code in docs/inference.md runs an exported detector and prints its detections."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

PAGE = Path(__file__).parents[2] / 'docs' / 'inference.md'
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason='no docs in this installation')
SIZE = [64, 32]  # width, height


def block(name: str) -> str:
    pattern = rf'<!-- {name}: tests/deploy/test_docs\.py -->\n\n```python\n(.*?)```'
    return re.search(pattern, PAGE.read_text(encoding='utf-8'), re.DOTALL)[1]


class Fixed(torch.nn.Module):
    """Three priors and two classes. The first two priors show the same object."""

    def forward(self, images: torch.Tensor):
        seen = images[0, :, 10, 10]
        scores = torch.stack([torch.tensor([0.9, 0.0]), torch.tensor([0.6, 0.3]), seen[:2] / 255])
        boxes = torch.tensor([[4.0, 4, 20, 20], [5, 4, 21, 20], [10, 10, 60, 60]])
        return scores[None], boxes[None]


def test_code_for_torchscript(tmp_path, monkeypatch, capsys):
    about = dict(
        classes=['cat', 'dog'],
        size=SIZE,
        pad=[1.0, 2.0, 3.0],
        test_cfg=dict(nms_pre=10, score_thr=0.05, nms=dict(iou_threshold=0.5), max_per_img=3),
    )
    traced = torch.jit.trace(Fixed(), torch.zeros(1, 3, 32, 64))
    torch.jit.save(traced, tmp_path / 'model.pt', _extra_files=dict(alrp_mmdet=json.dumps(about)))
    # 100x64 pixels, resized to 50x32 in the input.
    image = np.full((64, 100, 3), (0, 51, 255), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'picture.jpg'), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(block('run-torchscript'), scope)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ['cat 0.9 [8.0, 8.0, 40.0, 40.0]', 'dog 0.3 [10.0, 8.0, 42.0, 40.0]']
    # The box is clipped to the image, not to the padded input.
    assert lines[2].startswith('dog 0.2 ') and lines[2].endswith('[20.0, 20.0, 100.0, 64.0]')
    assert len(lines) == 3

    calibration = dict(cat=[[0, 1], [0.5, 1]], dog=[[0, 1], [0, 0.5]])
    content = json.dumps(dict(about, calibration=calibration))
    torch.jit.save(traced, tmp_path / 'model.pt', _extra_files=dict(alrp_mmdet=content))
    exec(block('run-torchscript'), {})
    calibrated = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in calibrated[:2]] == [['cat', '0.95'], ['dog', '0.15']]
    assert (scope['canvas'][:, 50:] == [1, 2, 3]).all()


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_code_for_onnx(tmp_path, monkeypatch):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    sample = torch.rand(1, 3, 32, 64) * 255
    program = torch.onnx.export(
        Fixed(), (sample,), input_names=['images'], output_names=['scores', 'boxes'], dynamo=True
    )
    program.model.metadata_props['alrp_mmdet'] = '{"size": [64, 32]}'
    program.save(tmp_path / 'model.onnx')
    monkeypatch.chdir(tmp_path)
    scope = dict(json=json, canvas=sample[0].permute(1, 2, 0).numpy())
    exec(block('run-onnx'), scope)
    assert scope['about'] == dict(size=SIZE)
    for ours, theirs in zip(Fixed()(sample), (scope['scores'], scope['boxes'])):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)
