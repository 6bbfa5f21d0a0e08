import sys
from pathlib import Path

from hypothesis import settings

# The slow reference is imported by name, from wherever pytest is started.
sys.path.insert(0, str(Path(__file__).parent / 'ranking'))

settings.register_profile('project', deadline=None, derandomize=True, print_blob=False)
settings.load_profile('project')
