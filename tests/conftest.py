import logging
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import settings

# What tests share is imported by name, from wherever pytest is started.
for folder in (
    'ranking',
    'lrp',
    'models',
    'evaluation',
    'project',
    'transfer',
    'deploy',
    'tools',
    'benchmarks',
):
    sys.path.insert(0, str(Path(__file__).parent / folder))

settings.register_profile('project', deadline=None, derandomize=True, print_blob=False)
settings.load_profile('project')


@pytest.fixture(autouse=True)
def empty_message_hub(monkeypatch):
    """Hides the iteration and epoch that runners of other tests have published."""
    if 'mmengine.logging' in sys.modules:
        hub = sys.modules['mmengine.logging'].MessageHub
        monkeypatch.setattr(hub, '_instance_dict', OrderedDict())


@pytest.fixture
def mmengine_log(caplog, monkeypatch):
    """Captures what is logged to MMEngine's current logger."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_instance('captured')
    monkeypatch.setattr(logger, 'handlers', [caplog.handler])
    monkeypatch.setattr(MMLogger, 'get_current_instance', classmethod(lambda cls: logger))
    caplog.set_level(logging.INFO)
    return caplog
