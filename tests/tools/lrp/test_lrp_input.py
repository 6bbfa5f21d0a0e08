"""tools/analysis/lrp.py: wrong files and options, and warnings."""

import gzip
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from alrp.lrp import evaluate_lrp


def test_only_force_overwrites(main, files):
    out = Path('out.json')
    out.write_text('mine')
    arguments = ['gt.json', 'results.json', '--json', 'out.json']
    with pytest.raises(SystemExit, match=r'error: out\.json exists.*--force'):
        main(arguments)
    assert out.read_text() == 'mine'
    main([*arguments, '--force'])
    assert json.loads(out.read_text())['areas'] == ['all', 'small', 'medium', 'large']


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere.json', 'results.json'], r'no such file: nowhere\.json'),
        (['gt.json', 'nowhere.json'], r'no such file: nowhere\.json'),
        (['gt.json', 'results.json', '--compare', 'no.json'], r'no such file: no\.json'),
        (
            ['gt.json', 'results.json', '--compare', './results.json'],
            r'same file: \./results\.json',
        ),
        (['gt.json', 'results.json', '--json', './gt.json', '--force'], 'is an input'),
        (['gt.json', 'results.json', '--csv', 'link.json', '--force'], 'is an input'),
        (['gt.json', 'results.json', '--json', 'a', '--csv', './a'], r'same file: a \./a'),
        (['gt.json', 'results.json', '--json', '.', '--force'], r'\. is not a file'),
        (['gt.json', 'results.json', '--json', 'gt.json/x/y'], 'write gt.json/x/y: Not a dir'),
        (['gt.json', 'results.json', '--html', 'r.html'], 'pip install plotly'),
        (
            ['gt.json', 'results.json', '--html', 'r.html', '--images', 'none'],
            'no such folder: none',
        ),
        (['gt.json', 'results.json', '--iou-type', 'segm'], 'pip install pycocotools'),
    ],
)
def test_refused_before_anything_is_read(main, files, monkeypatch, arguments, message):
    Path('gt.json').write_text('not JSON, which would be an error if it were read')
    Path('link.json').symlink_to('results.json')
    for package in ('plotly', 'pycocotools'):
        monkeypatch.setitem(sys.modules, package, None)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    with pytest.raises(SystemExit, match=f'^error: .*{message}'):
        main(arguments)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_folder_that_cannot_be_written_to(main, files, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('tempfile.TemporaryFile', refuse)
    Path('gt.json').write_text('not JSON')
    with pytest.raises(SystemExit, match=r'error: .*out\.json: Permission denied'):
        main(['gt.json', 'results.json', '--json', 'out.json'])


@pytest.mark.parametrize(
    'changed, content, arguments, message',
    [
        ('gt', '{"images": [', [], r'gt\.json: not JSON'),
        ('results', '[{]', [], r'results\.json: not JSON'),
        (
            'results',
            [dict(image_id=77, category_id=1, bbox=[1, 1, 2, 2], score=1)],
            [],
            r'image_id.*77 \(entry 0',
        ),
        ('other', [{'image_id': 1}], ['--compare', 'other.json'], r'other\.json: 1 of 1 results'),
        ('gt', [], [], r'gt\.json.*a list.*results.*ground truth first'),
        ('results', {}, [], r'results\.json.*ground truth.*first'),
        ('results', [], ['--max-dets', '0'], 'max_dets'),
    ],
)
def test_input_that_is_wrong(main, files, changed, content, arguments, message):
    text = content if isinstance(content, str) else json.dumps(content)
    Path(f'{changed}.json').write_text(text)
    with pytest.raises(SystemExit) as error:
        main(['gt.json', 'results.json', *arguments, '--json', 'out.json'])
    assert re.fullmatch(rf'error: .*{message}.*', error.value.code)
    assert '\n' not in error.value.code and not Path('out.json').exists()


def test_two_classes_of_one_name_have_no_file_of_thresholds(main, files):
    files['gt']['categories'][0]['name'] = 'zebra'
    Path('gt.json').write_text(json.dumps(files['gt']))
    Path('results.json').write_text('not JSON, which would be an error if it were read')
    with pytest.raises(SystemExit, match=r"error: .*2 classes.*'zebra'"):
        main(['gt.json', 'results.json', '--iou-type', 'bbox', '--thresholds', 't.json'])
    assert not Path('t.json').exists()


def test_no_detections_give_a_warning(main, files, capsys):
    Path('results.json').write_text('[]')
    main(['gt.json', 'results.json'])
    printed = capsys.readouterr()
    [line] = printed.err.splitlines()
    assert line.startswith('warning: results.json') and 'no detections' in line
    assert re.search(r'^\| oLRP +\| +1\.000 \|$', printed.out, re.MULTILINE)


def test_warnings_are_one_line(main, files, capsys):
    files['gt']['annotations'][0]['id'] = 0
    Path('gt.json').write_text(json.dumps(files['gt']))
    main(['gt.json', 'results.json', '--compare', 'other.json'])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('warning: gt.json') and 'id 0' in line


@pytest.mark.parametrize('num_images, warned', [(1, True), (2, False)])
def test_few_images_with_detections_are_warned_of(main, files, capsys, num_images, warned):
    results = json.loads(Path('results.json').read_text())
    Path('few.json').write_text(json.dumps([r for r in results if r['image_id'] < num_images]))
    main(['gt.json', 'few.json'])
    warning = capsys.readouterr().err
    assert ('few.json' in warning and '1 of the 4 images' in warning) == warned
    assert bool(warning) == warned


def test_no_objects_give_a_warning(main, files, capsys):
    Path('gt.json').write_text(json.dumps(dict(files['gt'], annotations=[])))
    main(['gt.json', 'results.json', '--compare', 'other.json'])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('warning: gt.json: no objects')


@pytest.mark.parametrize('digits, warned', [(1, True), (9, False)])
def test_equal_scores_at_the_threshold_are_warned_of(main, files, capsys, digits, warned):
    rounded = [dict(r, score=round(r['score'], digits)) for r in files['results']]
    Path('results.json').write_text(json.dumps(rounded))
    main(['gt.json', 'results.json', '--json', 'out.json'])
    warning = capsys.readouterr().err
    assert bool(warning) == warned
    if warned:
        evaluation = evaluate_lrp('gt.json', 'results.json')
        thresholds = evaluation.lrp_opt_thr[:3, 0]
        reached = np.mean([evaluation.curve(k + 1).at(t).error for k, t in enumerate(thresholds)])
        assert reached > evaluation.summary['oLRP'] + 0.001
        assert 'equal scores' in warning and f'thresholds is {reached:.3f}, oLRP is' in warning


@pytest.mark.parametrize(
    'content, message',
    [
        (gzip.compress(b'[]'), 'unpack it with gunzip'),
        (
            b'{"image_id": 1}\n{"image_id": 1}\n',
            r'after the end of .* \(.*line 2.*JSON Lines',
        ),
        (b'{"image_id": [1], "scores": [0.5]}', 'got an object with image_id, scores'),
        (b'[{"image_id": 1', 'may be incomplete'),
    ],
    ids=['compressed', 'lines', 'scores', 'cut off'],
)
def test_results_that_cannot_be_read(main, files, content, message):
    Path('results.json').write_bytes(content)
    with pytest.raises(SystemExit, match=f'^error: results.json: .*{message}'):
        main(['gt.json', 'results.json'])
