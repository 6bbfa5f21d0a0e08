"""Files of thresholds."""

import json
import math

import pytest
import torch
from thresholds_helpers import CLASSES

from alrp_mmdet.cli import exit_on_error
from alrp_mmdet.deploy.thresholds import ThresholdsError, read_thresholds


def write(tmp_path, thresholds):
    path = tmp_path / 'thresholds.json'
    path.write_text(json.dumps(dict(thresholds=thresholds, iou_type='bbox')))
    return path


def test_classes_are_matched_by_name(tmp_path, mmengine_log):
    path = write(tmp_path, dict(bird=0.25, cat=1, dog=0.7))
    thresholds = read_thresholds(path, CLASSES)
    assert thresholds.dtype == torch.float32
    assert thresholds.tolist() == [1, pytest.approx(0.7), 0.25]
    assert mmengine_log.text == ''


def test_null_is_infinity_and_a_warning(tmp_path, mmengine_log):
    path = write(tmp_path, dict(bird=None, cat=0.5, dog=None))
    assert read_thresholds(str(path), CLASSES).tolist() == [0.5, math.inf, math.inf]
    [record] = mmengine_log.records
    assert record.levelname == 'WARNING'
    assert 'dog, bird' in record.message and 'thresholds.json is null' in record.message


@pytest.mark.parametrize(
    'by_class, message',
    [
        (dict(cat=1, dog=1), 'no threshold for the class bird$'),
        (dict(cat=1, dog=1, bird=1, cow=1), 'no class cow in the model$'),
        (dict(cat=1, cow=1), 'no threshold for .* dog, bird, and no class cow in the model$'),
    ],
)
def test_other_classes(tmp_path, by_class, message):
    with pytest.raises(ThresholdsError, match=rf'thresholds\.json .*{message}'):
        read_thresholds(write(tmp_path, by_class), CLASSES)


@pytest.mark.parametrize(
    'content, message',
    [
        (b'', 'not valid JSON'),
        (b'{"thresholds": {"cat": 0.5', 'not valid JSON'),
        (b'\xff\xfe\x00', 'not valid JSON'),
        (b'{}', 'object "thresholds".* CocoLRPMetric'),
        (b'[0.5]', 'object "thresholds".* CocoLRPMetric'),
        (b'{"thresholds": [0.5]}', 'object "thresholds".* CocoLRPMetric'),
        (b'{"thresholds": {"cat": "0.5"}}', "threshold of cat must be a number.* '0.5'"),
        (b'{"thresholds": {"cat": true}}', 'threshold of cat must be a number.* True'),
        (b'{"thresholds": {"cat": [1]}}', 'threshold of cat must be a number.* \\[1\\]'),
        (b'{"thresholds": {"cat": NaN}}', 'threshold of cat must be a number.* nan'),
        (b'{"thresholds": {"cat": Infinity}}', 'threshold of cat must be a number.* inf'),
        (b'{"thresholds": {"cat": 1%b}}' % (b'0' * 400), 'threshold of cat .*, got 10+'),
    ],
)
def test_malformed(tmp_path, content, message):
    path = tmp_path / 'bad.json'
    path.write_bytes(content)
    with pytest.raises(ThresholdsError, match=rf'bad\.json.*{message}') as error:
        read_thresholds(path, ['cat'])
    assert isinstance(error.value, ValueError)


def test_tools_print_one_line(tmp_path):
    path = write(tmp_path, dict(cat=1))
    with pytest.raises(SystemExit, match=r'^error: .* dog, bird$'), exit_on_error():
        read_thresholds(path, CLASSES)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'file: .*gone\.json'):
        read_thresholds(tmp_path / 'gone.json', CLASSES)
