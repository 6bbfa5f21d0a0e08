"""``alrp lrp`` finds the task in the files: keypoints, LVIS, or COCO's boxes and masks."""

import csv
import json
import re
from pathlib import Path

import pytest
from task_data import keypoint_data, lvis_data

from alrp.lrp import evaluate_lrp
from alrp.lrp.class_table import class_table


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Ground truth, results and other results of keypoints and LVIS in the current folder."""
    monkeypatch.chdir(tmp_path)
    data = dict(keypoints=keypoint_data(4, num_keypoints=17), lvis=lvis_data(4))
    for name, (truth, results) in data.items():
        for kind, content in dict(gt=truth, dt=results, other=results[::2]).items():
            Path(f'{name}_{kind}.json').write_text(json.dumps(content))
    return data


@pytest.mark.parametrize(
    'name, printed, columns',
    [
        ('keypoints', 'keypoints, COCO rules', ['class', 'objects']),
        ('lvis', 'bbox, LVIS rules', ['class', 'frequency', 'objects']),
    ],
)
def test_all_outputs(main, files, capsys, name, printed, columns):
    pytest.importorskip('plotly')
    names = [f'{name}_gt.json', f'{name}_dt.json', '--compare', f'{name}_other.json']
    outputs = '--json out.json --csv out.csv --thresholds thresholds.json --html out.html'
    main([*names, *outputs.split()])
    output = capsys.readouterr().out
    assert output.startswith(f'{printed}: 3 images')
    evaluation = evaluate_lrp(*files[name], None)
    written = json.loads(Path('out.json').read_text())
    comparison = written['comparison']
    assert set(comparison['differences']) >= {'AP', 'oLRP'}
    expected = evaluation.to_dict()
    assert {key: written[key] for key in expected} == expected
    other = evaluate_lrp(files[name][0], f'{name}_other.json', None)
    assert (comparison['other'], comparison['summary']) == (f'{name}_other.json', other.summary)
    by_id = {row['id']: row for row in class_table(evaluation)}
    for row in written['classes']:
        found = {key: row[key] for key in by_id[row['id']]}
        assert found == {k: None if x != x else x for k, x in by_id[row['id']].items()}
    for key, value in evaluation.summary.items():
        shown = '-' if value == -1 else f'{value:.3f}'
        assert re.search(rf'^\| {key} +\| +{shown} \|', output, re.MULTILINE), key
    with open('out.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[1 : 1 + len(columns)] == columns
    assert ('oLRP_s' in rows[0]) == (name == 'lvis')
    assert {row['difference'] for row in rows} != {''}
    thresholds = json.loads(Path('thresholds.json').read_text())
    assert thresholds['max_dets'] == evaluation.max_dets[-1]
    assert thresholds['iou_type'] == evaluation.iou_type
    assert f'{evaluation.summary["oLRP"]:.3f}' in Path('out.html').read_text(encoding='utf-8')


def test_choices_replace_what_is_found(main, files, capsys):
    known = [r for r in files['lvis'][1] if r['category_id'] != 77]  # only LVIS drops this one
    Path('lvis_dt.json').write_text(json.dumps(known))
    main(['lvis_gt.json', 'lvis_dt.json', '--rules', 'coco'])
    assert capsys.readouterr().out.startswith('bbox, COCO rules')
    main(['keypoints_gt.json', 'keypoints_dt.json', '--iou-type', 'bbox'])
    assert capsys.readouterr().out.startswith('bbox, COCO rules')
    sigmas = ['0.1'] * 17
    main(['keypoints_gt.json', 'keypoints_dt.json', '--json', 'out.json', '--sigmas', *sigmas])
    assert json.loads(Path('out.json').read_text())['sigmas'] == [0.1] * 17


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['keypoints_dt.json', '--sort', 'oLRP_s'], 'keypoints, COCO rules: .*oLRP_s.*oLRP_m'),
        (['keypoints_dt.json', '--sigmas', '0.1', '0.2'], '17 keypoints.*2 sigmas'),
        (['keypoints_dt.json', '--rules', 'lvis'], 'LVIS.*keypoints'),
        (['keypoints_dt.json', '--rules', 'lvis', '--iou-type', 'bbox'], "'neg_category_ids'"),
        (['lvis_dt.json'], r'lvis_dt\.json.*'),
    ],
)
def test_refused(main, files, arguments, message):
    Path('lvis_dt.json').write_text('[{"image_id": 3, "category_id": 2, "score": 1, "bbox": 5}]')
    with pytest.raises(SystemExit, match=f'^error: .*{message}'):
        main(['keypoints_gt.json', *arguments, '--json', 'out.json'])
    assert not Path('out.json').exists()


@pytest.mark.parametrize(
    'options, fact',
    [
        (['--errors'], '--errors'),
        (['--calibration'], '--calibration'),
        (['--sort', 'oLRP_s'], 'oLRP_s'),
        (['--html', 'out.html', '--images', '.'], '--images'),
    ],
)
def test_options_of_other_tasks_are_refused_before_results_are_read(main, files, options, fact):
    if '--html' in options:
        pytest.importorskip('plotly')
    Path('bad.json').write_text('not JSON')
    with pytest.raises(SystemExit) as error:
        main(['keypoints_gt.json', 'bad.json', '--iou-type', 'keypoints', *options])
    assert 'keypoints' in error.value.code and fact in error.value.code


def test_types_of_errors_of_lvis(main, files):
    main(['lvis_gt.json', 'lvis_dt.json', '--errors'])
