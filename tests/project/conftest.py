import pytest
from format_writers import make_coco


@pytest.fixture
def content(tmp_path):
    """COCO content whose images are in ``tmp_path/images``; no annotation file is written."""
    return make_coco(tmp_path)
