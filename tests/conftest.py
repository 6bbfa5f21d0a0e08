import sys
from pathlib import Path

from hypothesis import settings

# What tests share is imported by name, from wherever pytest is started.
for folder in ('ranking', 'lrp', 'models', 'project', 'transfer', 'deploy'):
    sys.path.insert(0, str(Path(__file__).parent / folder))

settings.register_profile('project', deadline=None, derandomize=True, print_blob=False)
settings.load_profile('project')
