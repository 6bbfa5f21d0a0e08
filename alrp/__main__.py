"""The command ``alrp``: every tool is a subcommand, as in ``alrp train CONFIG``.

The tools are scripts that the distribution ships in ``alrp_mmdet/.mim/tools``. They are found by
path and not imported: ``alrp_mmdet`` would import MMDetection, which some of them do not need.
"""

import ast
import re
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from .version import __version__

TOOLS = Path(__file__).resolve().parents[1] / 'alrp_mmdet' / '.mim' / 'tools'
FOLDERS = '.', 'analysis', 'checkpoints'
# What training needs, as imported; NumPy alone is installed with the package.
NEEDED = (
    'torch',
    'mmengine',
    'mmcv',
    'mmdet',
    'packaging',
    'matplotlib',
    'cv2',
    'PIL',
    'rich',
    'yaml',
)


def find_tools() -> dict[str, Path]:
    """The script of each subcommand by name: ``new-project`` runs ``new_project.py``."""
    paths = [path for folder in FOLDERS for path in sorted(TOOLS.glob(f'{folder}/*.py'))]
    return {path.stem.replace('_', '-'): path for path in paths}


def first_sentence(script: Path) -> str:
    """The first sentence of a script's docstring, without running the script."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding='utf-8'))) or ''
    return re.split(r'\.(?:\s|$)|:\s+``', ' '.join(text.split()))[0]


def help_text(tools: dict[str, Path]) -> str:
    """What ``alrp --help`` prints: one line per subcommand."""
    width = max(map(len, tools))
    lines = [f'  {name:<{width}}  {first_sentence(path)}' for name, path in tools.items()]
    return '\n'.join(
        [
            'usage: alrp COMMAND [ARGUMENT ...]',
            '',
            'Object detectors trained with ranking losses, and the LRP metric.',
            '',
            'commands:',
            *lines,
            '',
            "Run 'alrp COMMAND --help' for the arguments of a command.",
        ]
    )


def main(argv: list[str] | None = None) -> None:
    """Run a subcommand.

    Args:
        argv (list[str], optional): The subcommand and its arguments. Defaults to the command line.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ['']
    tools = find_tools()
    if not tools:
        sys.exit(f'error: no tools in {TOOLS}: reinstall alrp_mmdet')
    if name in ('-h', '--help'):
        print(help_text(tools))
        return
    if name == '--version':
        print(__version__)
        return
    name = name.replace('_', '-')
    if name not in tools:
        print(_unknown(name, tools), file=sys.stderr)
        sys.exit(2)
    _run(tools[name], f'alrp {name}', arguments)


def _run(script: Path, command: str, arguments: list[str]) -> None:
    """Run a script as Python would, except that its usage message shows the command."""
    module = ModuleType('__main__')
    module.__file__ = str(script)  # where processes that the script spawns import it from
    sys.modules['__main__'] = module
    sys.argv = [command, *arguments]  # unlike this, runpy.run_path sets argv[0] to the path
    try:
        exec(compile(script.read_bytes(), str(script), 'exec'), vars(module))
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        sys.exit(
            f'error: {command} needs {error.name}, which is not installed: install PyTorch and '
            'the extra "mmdet" (commands in docs/quick_start.md)'
        )


def _unknown(name: str, tools: dict[str, Path]) -> str:
    if not name:
        return help_text(tools)
    close = get_close_matches(name, tools)
    hint = f'Did you mean {" or ".join(close)}?' if close else f'Commands: {", ".join(tools)}'
    return f"error: unknown command {name!r}. {hint}. Run 'alrp --help' for a list"


if __name__ == '__main__':
    main()
