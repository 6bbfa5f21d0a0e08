"""Write the model table in docs/models.md from the metafiles: ``model_zoo.py [--check]``.

Every config must have an entry in its folder's metafile, and every entry a config.
"""

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'models.md'
BEGIN, END = '<!-- model zoo -->\n', '<!-- end of model zoo -->'


def models() -> list[dict]:
    """The entries of all metafiles."""
    metafiles = sorted(ROOT.glob('configs/*/metafile.yml'))
    entries = [m for path in metafiles for m in yaml.safe_load(path.read_text())['Models']]
    listed = {entry['Config'] for entry in entries}
    configs = {str(path.relative_to(ROOT)) for path in ROOT.glob('configs/[!_]*/*.py')}
    if listed != configs:
        sys.exit(
            'error: these have a config or a metafile entry, but not both: '
            f'{", ".join(sorted(listed ^ configs))}'
        )
    return entries


def table(entries: list[dict]) -> str:
    """The models as a Markdown table, published figures first, and a list of those without any."""
    rows = [
        '| config | evaluated on | box AP | box oLRP | mask AP | mask oLRP | figures |',
        '|---|---|---|---|---|---|---|',
    ]
    figures = ('published', 'measured')
    known = [model for model in entries if model['Metadata']['Figures'] in figures]
    for model in sorted(known, key=lambda model: figures.index(model['Metadata']['Figures'])):
        results = {result['Task']: result for result in model['Results']}
        [dataset] = {result['Dataset'] for result in results.values()}
        cells = [link(model), dataset]
        for task, name in (('Object Detection', 'box AP'), ('Instance Segmentation', 'mask AP')):
            metrics = results.get(task, {}).get('Metrics', {})
            cells += [metrics.get(name, ''), metrics.get('oLRP', '')]
        cells.append(model['Metadata']['Figures'])
        rows.append(f'| {" | ".join(map(str, cells))} |')
    note = 'We report no AP for these configs. The tests build, train and run each one:'
    rows += ['', note, '']
    folders = {}
    for model in entries:
        if model not in known:
            folders.setdefault(Path(model['Config']).parts[1], []).append(link(model))
    rows += [f'- {", ".join(links)}' for links in folders.values()]
    return '\n'.join(rows) + '\n'


def link(model: dict) -> str:
    """A link to the config of a model."""
    return f'[{model["Name"]}](../{model["Config"]})'


def written(page: str, new_table: str) -> str:
    """The page with the new table."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f'{before}{BEGIN}{new_table}{END}{after}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--check', action='store_true', help='write nothing; fail if the table is out of date'
    )
    args = parser.parse_args()
    page = PAGE.read_text(encoding='utf-8')
    wanted = written(page, table(models()))
    if not args.check:
        PAGE.write_text(wanted, encoding='utf-8')
    elif page != wanted:
        sys.exit('error: the model table is out of date. Run python tools/dev/model_zoo.py')


if __name__ == '__main__':
    main()
