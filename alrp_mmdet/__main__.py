"""``python -m alrp_mmdet train CONFIG``: the tools, wherever the package is installed."""

import runpy
import sys
from pathlib import Path

TOOLS = Path(__file__).parent / '.mim' / 'tools'


def main() -> None:
    names = sorted(path.stem for path in TOOLS.glob('*.py'))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f'usage: python -m alrp_mmdet {{{",".join(names)}}} [arguments of the tool]')
    tool = TOOLS / f'{sys.argv.pop(1)}.py'
    sys.argv[0] = str(tool)
    runpy.run_path(str(tool), run_name='__main__')


if __name__ == '__main__':
    main()
