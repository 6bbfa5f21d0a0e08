import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / 'README.md'


@pytest.mark.skipif(not README.is_file(), reason='installed without its README')
def test_the_example_of_the_loss_alone_trains(capsys):
    section = README.read_text(encoding='utf-8').split('## Use the loss alone')[1]
    code = re.search(r'```python\n(.*?)```', section, re.DOTALL)[1]
    exec(code, {})
    losses = re.findall(r'0\.\d+', capsys.readouterr().out)
    assert float(losses[0]) < 0.3 and float(losses[1]) < 0.3
