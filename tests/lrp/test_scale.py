"""Large sets: parts of images and categories, and arrays as input, change no bit."""

from coco_helpers import data_sets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_streaming import assert_same

from alrp.lrp import accumulation, evaluate_lrp, matching


def in_parts(monkeypatch, *arguments, **options):
    with monkeypatch.context() as m:
        m.setattr(matching, 'DETECTIONS_AT_ONCE', 3)
        m.setattr(accumulation, 'DETECTIONS_AT_ONCE', 5)
        m.setattr(accumulation, 'SETTINGS_AT_ONCE', 20)
        return evaluate_lrp(*arguments, **options)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets(), st.sampled_from([(1, 10, 100), (2,)]))
def test_parts_change_nothing(monkeypatch, data, max_dets):
    assert_same(
        in_parts(monkeypatch, *data, max_dets=max_dets), evaluate_lrp(*data, max_dets=max_dets)
    )
