"""What benchmarks/accuracy reads from the logs of a training."""

import json
import math

from benchmarks.accuracy.rows import METRICS
from benchmarks.accuracy.training_log import has_diverged, last_line, read_curve


def write_log(folder, entries):
    (folder / 'vis_data').mkdir(parents=True)
    (folder / 'vis_data' / 'scalars.json').write_text('\n'.join(map(json.dumps, entries)))


def evaluation(epoch: int, ap: float, small: float = 0.1) -> dict:
    values = dict.fromkeys(METRICS.values(), 0.5) | dict(mAP=ap, mAP_s=small)
    return dict(step=epoch) | {f'coco/bbox_{key}': value for key, value in values.items()}


def test_curve_of_a_resumed_run(tmp_path):
    steps = [dict(loss=1.5, step=10, grad_norm=3.0), dict(loss=1.0, step=20, grad_norm=2.0)]
    write_log(
        tmp_path / '20260101_000000', [steps[0], evaluation(2, 0.1), steps[1], evaluation(4, 0.3)]
    )
    write_log(tmp_path / '20260101_000100', [dict(loss=0.5, step=20), evaluation(4, 0.2, -1)])
    first, last = read_curve(tmp_path)
    assert (first['epoch'], first['step'], first['AP'], first['AP_s']) == (2, 10, 0.1, 0.1)
    assert (first['train_loss'], first['grad_norm']) == (1.5, 3.0)
    assert (last['epoch'], last['step'], last['AP'], last['train_loss']) == (4, 20, 0.2, 0.5)
    assert math.isnan(last['AP_s']) and math.isnan(last['grad_norm'])
    with (tmp_path / '20260101_000000' / 'vis_data' / 'scalars.json').open('a') as log:
        log.write('\n{"loss": 0.')  # a full disk
    assert [point['epoch'] for point in read_curve(tmp_path)] == [2, 4]
    assert read_curve(tmp_path / 'missing') == []


def test_divergence_is_told_from_other_errors(tmp_path):
    output = tmp_path / 'output.txt'
    output.write_text(
        'NaN or infinite values raise an error\nerror: 3 logits are NaN or infinite\n'
    )
    assert has_diverged(output)
    assert last_line(output).startswith('error: 3 logits')
    output.write_text('error: a logit has the magnitude 1e+17: training has diverged\n')
    assert has_diverged(output)
    output.write_text('loss: NaN or infinite?\nerror: there is no such file\n\n')
    assert not has_diverged(output)
    assert last_line(output) == 'error: there is no such file'
