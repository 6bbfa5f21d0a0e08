"""Helpers of the core: text, and writing files."""

import pytest

from alrp.files import files_beside, output_problem, write_atomically
from alrp.text import counted, describe_error, did_you_mean, format_list, format_table


def test_lists_are_cut_and_counted():
    assert format_list([]) == ''
    assert format_list([1, 'b']) == '1, b'
    assert format_list(range(9), limit=2) == '0, 1 and 7 more'


def test_words_after_a_number_have_its_form():
    assert [counted(n, 'box has', 'boxes have') for n in (0, 1, 2000)] == [
        '0 boxes have',
        '1 box has',
        '2,000 boxes have',
    ]


def test_tables_are_aligned():
    assert format_table([['class', 'AP'], ['a', '0.5'], ['long name', '-']]).splitlines() == [
        '| class     |  AP |',
        '| --------- | --: |',
        '| a         | 0.5 |',
        '| long name |   - |',
    ]


def test_errors_have_one_line():
    error = ValueError('first\nsecond')
    error.__cause__ = KeyError()
    assert describe_error(error) == 'ValueError: first, from KeyError'


def test_files_are_replaced_and_inputs_protected(tmp_path):
    path = tmp_path / 'new' / 'out.txt'
    assert output_problem(path) is None
    write_atomically(path, b'one')
    for force in (False, True):
        problem = output_problem(
            path, inputs=[tmp_path / 'new' / '..' / 'new' / 'out.txt'], force=force
        )
        assert str(path) in problem and 'input' in problem
    problem = output_problem(path)
    assert str(path) in problem and '--force' in problem
    assert output_problem(path, force=True) is None
    write_atomically(path, b'two')
    assert path.read_bytes() == b'two' and [p.name for p in path.parent.iterdir()] == ['out.txt']


def test_what_is_beside_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'mine'
    assert files_beside('a.py', '.py') == ''
    assert files_beside('mine/a.py', '.py') == '; there is no folder mine either'
    folder.mkdir()
    for name in ('zebra.py', 'rs_atss_small_mine.py', 'rs_retinanet_mine.py', 'x.py', 'a.pth'):
        (folder / name).touch()
    found = files_beside('mine/rs_atss_mine.py', '.py')
    assert found.startswith(
        '; its folder has mine/rs_atss_small_mine.py, mine/rs_retinanet_mine.py'
    )
    assert found.endswith(' and 1 more') and '.pth' not in found
    assert files_beside('mine', '.pth') == '; this folder has mine/a.pth'


@pytest.mark.parametrize(
    'name, known, end',
    [
        ('batch_sise', ['batch_size', 'sampler'], ": did you mean 'batch_size'?"),
        ('zebra', ['b', 'a'], ': known are a, b'),
        ('zebra', [], ''),
        ('zebra', map(str, range(9)), ''),
    ],
)
def test_the_name_that_was_meant(name, known, end):
    assert did_you_mean(name, known) == end


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'out.txt'
    path.write_bytes(b'old')
    monkeypatch.setattr('os.fsync', lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old'
