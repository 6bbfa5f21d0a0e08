"""Writes the README's table of models from the metafiles: ``model_zoo.py [--check]``."""

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / 'README.md'
BEGIN, END = '<!-- model zoo -->\n', '<!-- end of model zoo -->'


def table(root: Path) -> str:
    """The models of all metafiles, as a table in Markdown."""
    rows = ['| config | trained on | AP | oLRP | figures are |', '|---|---|---|---|---|']
    for metafile in sorted(root.glob('configs/*/metafile.yml')):
        for model in yaml.safe_load(metafile.read_text())['Models']:
            [result] = model.get('Results', [{}])
            metrics = result.get('Metrics', {})
            cells = [
                f'[{model["Name"]}]({model["Config"]})',
                result.get('Dataset', ''),
                metrics.get('box AP', ''),
                metrics.get('oLRP', ''),
                model['Metadata']['Figures'],
            ]
            rows.append(f'| {" | ".join(map(str, cells))} |')
    return '\n'.join(rows) + '\n'


def written(readme: str, new_table: str) -> str:
    """The README with its table replaced."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f'{before}{BEGIN}{new_table}{END}{after}'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing, fail if it is stale')
    args = parser.parse_args()
    readme = README.read_text(encoding='utf-8')
    wanted = written(readme, table(ROOT))
    if args.check and readme != wanted:
        sys.exit('error: the table of models is stale, run python tools/dev/model_zoo.py')
    README.write_text(wanted, encoding='utf-8')


if __name__ == '__main__':
    main()
