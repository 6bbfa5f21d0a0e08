import pytest
from mmcv.ops.nms import NMSop


@pytest.fixture
def nms_of_doubles(monkeypatch):
    """MMCV's NMS takes float32 only."""
    apply = NMSop.apply

    def apply_to_floats(boxes, scores, *args):
        return apply(boxes.float(), scores.float(), *args)

    monkeypatch.setattr(NMSop, 'apply', apply_to_floats)
