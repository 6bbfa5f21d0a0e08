import pytest


@pytest.fixture
def logged(monkeypatch):
    """What the check of the annotations logs."""
    texts = []
    monkeypatch.setattr('alrp_mmdet.datasets.check.print_log', lambda text, **_: texts.append(text))
    return texts
