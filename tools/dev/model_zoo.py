"""Write the table of models in docs/models.md from the metafiles.

Usage: ``python tools/dev/model_zoo.py [--check]``. Every config must be listed in a metafile.
"""

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'models.md'
BEGIN, END = '<!-- model zoo -->\n', '<!-- end of model zoo -->'


def read_models() -> list[dict]:
    """The entries of all metafiles."""
    metafiles = sorted(ROOT.glob('configs/*/metafile.yml'))
    entries = [m for path in metafiles for m in yaml.safe_load(path.read_text())['Models']]
    listed = {entry['Config'] for entry in entries}
    configs = {str(path.relative_to(ROOT)) for path in ROOT.glob('configs/[!_]*/*.py')}
    if listed != configs:
        sys.exit(
            'error: these are in configs/ or in a metafile.yml, but not in both: '
            f'{", ".join(sorted(listed ^ configs))}'
        )
    return entries


def format_table(entries: list[dict]) -> str:
    """The table of models in Markdown."""
    rows = ['| config | evaluated on | AP | oLRP | figures are |', '|---|---|---|---|---|']
    for model in entries:
        [result] = model.get('Results', [{}])
        metrics = result.get('Metrics', {})
        cells = [
            f'[{model["Name"]}](../{model["Config"]})',
            result.get('Dataset', ''),
            metrics.get('box AP', ''),
            metrics.get('oLRP', ''),
            model['Metadata']['Figures'],
        ]
        rows.append(f'| {" | ".join(map(str, cells))} |')
    return '\n'.join(rows) + '\n'


def replace_table(page: str, new_table: str) -> str:
    """The page with a new table between ``BEGIN`` and ``END``."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f'{before}{BEGIN}{new_table}{END}{after}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='only check that it is up to date')
    args = parser.parse_args()
    page = PAGE.read_text(encoding='utf-8')
    wanted = replace_table(page, format_table(read_models()))
    if not args.check:
        PAGE.write_text(wanted, encoding='utf-8')
    elif page != wanted:
        sys.exit('error: the table of models is out of date: run python tools/dev/model_zoo.py')


if __name__ == '__main__':
    main()
