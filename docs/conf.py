"""How the documentation is built: ``make docs``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from alrp_mmdet import __version__  # noqa: E402

project = 'alrp_mmdet'
version = release = __version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = f'{project} {__version__}'
html_show_copyright = False

myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 3  # as GitHub makes them

autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_typehints = 'none'  # docstrings give them, with shapes and units
napoleon_numpy_docstring = False


def setup(app):
    # Fields of a NamedTuple, of which Python says nothing but their number.
    app.connect(
        'autodoc-skip-member',
        lambda app, what, name, obj, skip, options: (
            True if type(obj).__name__ == '_tuplegetter' else None
        ),
    )
