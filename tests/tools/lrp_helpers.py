"""What the tests of tools/analysis/lrp.py share."""

import re
from pathlib import Path

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'lrp.py'
NAMES = ['<b>"cat" & \'dog\'</b>', 'b</script><script>alert(1)</script>', 'zebra', 'no object']


def table_of(output: str) -> list[list[str]]:
    """The last table printed, cell by cell."""
    head, rule, *rows = re.findall(r'(?:^\|.*\|$\n?)+', output, re.MULTILINE)[-1].splitlines()
    assert re.fullmatch(r'\| -+ \|( -+: \|)+', rule) and len(rule) == len(head)
    return [[cell.strip() for cell in row[1:-1].split(' | ')] for row in (head, *rows)]
