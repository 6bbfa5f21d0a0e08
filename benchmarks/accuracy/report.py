"""Writes docs/results.md, its figures and the README's table from the CSV files, or checks them."""

import contextlib
import re
import sys
from pathlib import Path

from . import figures
from .comparison import check_fairness, group
from .matrix import BASELINE, DETECTORS, LOSSES, ROOT, TUNING_DETECTOR, Run
from .rows import curves_of, read_rows, run_of
from .summary import coverage, repeats, scope, tuning_notes, verdict
from .tables import (
    differences_table,
    overview_table,
    results_table,
    tuning_table,
    variants_table,
)
from .tuning import runs_of, tuned_run
from .variants import with_unchanged

TEMPLATE = Path(__file__).with_name('page.md')
MARKERS = '<!-- accuracy -->\n', '<!-- end of accuracy -->'
FIRST_RUNS = 'clip_10'  # a folder of the results, see page.md
COMMAND = 'python benchmarks/accuracy report'


def main(results: Path, check: bool, root: Path = ROOT) -> None:
    """Write everything, or exit with an error if something is out of date.

    Args:
        results (Path): Folder of the CSV files. Without runs in it, nothing is written.
        check (bool): Whether to check instead of writing.
        root (Path): Folder with README.md and docs.
    """
    try:
        texts, drawings = contents(results, root)
    except ValueError as error:
        sys.exit(f'error: {results}: {error}')
    if not texts:
        if check and (root / 'docs' / 'results.md').exists():
            sys.exit(f'error: docs/results.md has no source: there are no runs in {results}')
        print(f'{results} has no runs: nothing to report')
        return
    if check:
        stale = [path for path, text in texts.items() if _read(path) != text]
        stale += [
            path
            for path, (_, numbers, _) in drawings.items()
            if figures.drawn_digest(path) != figures.digest(numbers)
        ]
        if stale:
            names = ', '.join(str(path.relative_to(root)) for path in stale)
            sys.exit(f'error: {names} out of date with {results / "runs.csv"}: run "{COMMAND}"')
        return
    for path, (draw, numbers, detector) in drawings.items():
        draw(numbers, detector, path)
    for path, text in texts.items():
        path.write_text(text, encoding='utf-8')
    print(f'Wrote {", ".join(str(path.relative_to(root)) for path in [*texts, *drawings])}')


def contents(results: Path, root: Path) -> tuple[dict, dict]:
    """Texts by path; functions to draw with their numbers and detector, by path.

    Both are empty if there are no runs.

    Raises:
        ValueError: If runs contradict each other, or README.md lacks the second marker.
    """
    rows, tuning, variants, first = (
        read_rows(results / f'{name}.csv')
        for name in ('runs', 'tuning', 'variants', f'{FIRST_RUNS}/runs')
    )
    rows = [row for row in rows if row['detector'] in DETECTORS]
    if not (rows or tuning or first):
        return {}, {}
    groups = group(rows)
    tuned = tuned_runs(tuning)
    check_fairness(groups, tuned)
    done = {run_of(row) for row in rows}  # a row may have been deleted to repeat its run
    curve_rows = [r for r in read_rows(curves_of(results / 'runs.csv')) if run_of(r) in done]
    blocks = dict(
        coverage=coverage(groups, variants),
        scope=scope(rows, tuning),
        repeats=repeats(tuning, read_rows(results / 'repeated.csv')),
        tuning=tuning_table(tuning),
        tuning_notes=tuning_notes(tuned),
        variants=variants_table(
            with_unchanged(variants, [*tuning, *rows]), baseline_rows(rows, tuning, tuned)
        ),
        first_variants=variants_table(read_rows(results / FIRST_RUNS / 'variants.csv')),
        first_differences=differences_table(group(first), 'retinanet'),
    )
    drawings = {}
    for detector in DETECTORS:
        blocks[f'{detector} results'] = results_table(groups, detector)
        blocks[f'{detector} verdict'] = verdict(groups, detector)
        blocks[f'{detector} differences'] = differences_table(groups, detector)
        for kind, draw, numbers in (
            ('accuracy', figures.draw_dots, figures.dots(groups, detector)),
            ('learning_curves', figures.draw_curves, figures.curves(groups, curve_rows, detector)),
        ):
            name = f'{kind}_{detector}.svg'
            title = f'{kind.replace("_", " ").capitalize()} of {DETECTORS[detector]}'
            blocks[f'{detector} {kind}'] = f'![{title}](figures/{name})\n' if numbers else ''
            if numbers:
                drawings[root / 'docs' / 'figures' / name] = draw, numbers, detector
    texts = {root / 'docs' / 'results.md': fill(TEMPLATE.read_text(encoding='utf-8'), blocks)}
    readme = _read(root / 'README.md')
    if MARKERS[0] in readme:
        before, _, rest = readme.partition(MARKERS[0])
        _, end, after = rest.partition(MARKERS[1])
        if not end:
            raise ValueError(f'README.md has {MARKERS[0].strip()} but no {MARKERS[1]} after it')
        table = overview_table(groups, 'retinanet')
        texts[root / 'README.md'] = f'{before}{MARKERS[0]}{table}{MARKERS[1]}{after}'
    return texts, drawings


def baseline_rows(rows: list[dict], tuning: list[dict], tuned: dict[str, Run]) -> list[dict]:
    """Runs of the tuned baseline, also those of the tuning."""
    best = runs_of(tuned[BASELINE]) if BASELINE in tuned else []
    of_matrix = [x for x in rows if (x['loss'], x['detector']) == (BASELINE, TUNING_DETECTOR)]
    return [*(row for row in tuning if run_of(row) in best), *of_matrix]


def tuned_runs(tuning: list[dict]) -> dict[str, Run]:
    """The best run of each loss whose tuning is finished."""
    tuned = {}
    for loss in LOSSES:
        with contextlib.suppress(LookupError):
            tuned[loss] = tuned_run(loss, tuning)
    return tuned


def fill(template: str, blocks: dict[str, str]) -> str:
    """Replace ``{{name}}`` by its block; leave out sections all of whose blocks are empty.

    Raises:
        KeyError: If the template names a block that does not exist.
    """
    sections = []
    for section in re.split(r'^(?=## )', template, flags=re.MULTILINE):
        names = re.findall(r'^\{\{(.*)\}\}\n', section, re.MULTILINE)
        if names and not any(blocks[name] for name in names):
            continue
        for name in names:
            section = section.replace(f'{{{{{name}}}}}\n', blocks[name])
        sections.append(re.sub(r'\n{3,}', '\n\n', section))
    return ''.join(sections)


def _read(path: Path) -> str:
    return path.read_text(encoding='utf-8') if path.exists() else ''
