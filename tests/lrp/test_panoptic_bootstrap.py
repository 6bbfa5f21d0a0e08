"""The paired bootstrap of panoptic results: resamples against images that are really repeated."""

import warnings

import numpy as np
import panoptic_reference
import pytest
from panoptic_helpers import CATEGORIES, random_image, write_set

from alrp.lrp import compare, evaluate_lrp, evaluate_panoptic_lrp
from alrp.lrp.panoptic.evaluate import SUFFIXES

pytest.importorskip('cv2')


def evaluate(folder, images):
    files = write_set(folder, images)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        return evaluate_panoptic_lrp(*files, num_workers=1)


def random_images(seed, number):
    rng = np.random.default_rng(seed)
    return [random_image(rng) for _ in range(number)]


@pytest.mark.parametrize('times', [[1, 1, 1, 1, 1, 1], [0, 3, 0, 1, 2, 0], [0, 0, 0, 0, 4, 0]])
def test_times_equal_copies_of_images(times, tmp_path):
    images = random_images(5, 6)
    resampled = evaluate(tmp_path, images).resampled(np.array(times))
    copies = [image for image, n in zip(images, times) for _ in range(n)]
    expected = panoptic_reference.evaluate(copies, CATEGORIES)['summary']
    assert resampled.num_images == len(copies)
    values = resampled.values()
    assert len(values) == 21
    for group, suffix in SUFFIXES.items():
        for name, value in expected[group].items():
            if name != 'n':
                value = np.nan if value is None else value
                assert values[name + suffix] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_a_better_result_is_found(tmp_path):
    """Of the two, the worse gives some of the four segments of an image to another category."""
    rng = np.random.default_rng(1)
    ids = np.arange(1, 5).repeat(4).reshape(4, 4)
    perfect, worse = [], []
    for _ in range(30):
        categories = rng.permutation([c['id'] for c in CATEGORIES]).tolist()
        truth = [dict(id=i + 1, category_id=c, area=4, iscrowd=0) for i, c in enumerate(categories)]
        wrong = [dict(s, category_id=categories[s['id'] % rng.integers(2, 5)]) for s in truth]
        perfect.append((ids, truth, ids, truth))
        worse.append((ids, truth, ids, wrong))
    first = evaluate(tmp_path / 'worse', worse)
    second = evaluate(tmp_path / 'perfect', perfect)
    found = compare(first, second, 100)
    for name, sign in dict(PQ=1, RQ=1, LRP=-1, LRP_fn=-1, PQ_th=1, LRP_st=-1).items():
        difference = found[name]
        assert difference.value == second.values()[name] - first.values()[name]
        assert difference.low <= difference.value <= difference.high
        assert sign * difference.low > 0 and sign * difference.high > 0, name
        assert difference.better == 1
    back = compare(second, first, 100)
    assert back['PQ'].low == -found['PQ'].high and back['LRP'].better == 0


def test_interval_is_that_of_the_mean(tmp_path):
    """LRP_loc of one true positive per image is a mean over images, whose interval is known."""
    rng = np.random.default_rng(0)
    images, errors = [], []
    for found in rng.integers(52, 100, 150):
        ids = np.full((10, 10), 3)
        result_ids = np.where(np.arange(100).reshape(10, 10) < found, 4, 0)
        segment = dict(id=3, category_id=1, area=100, iscrowd=0)
        images.append((ids, [segment], result_ids, [dict(id=4, category_id=1)]))
        errors.append(1 - found / 100)
    perfect = [(ids, truth, ids, truth) for ids, truth, *_ in images]
    first, second = evaluate(tmp_path / 'a', perfect), evaluate(tmp_path / 'b', images)
    difference = compare(first, second, 600)['LRP_loc']
    assert difference.value == pytest.approx(np.mean(errors))
    width = 2 * 1.96 * np.std(errors, ddof=1) / np.sqrt(150)
    assert difference.high - difference.low == pytest.approx(width, rel=0.12)


def test_evaluations_must_match(tmp_path):
    images = random_images(2, 4)
    one = evaluate(tmp_path / 'one', images)
    moved = [images[1], images[0], *images[2:]]  # the same objects in other images
    boxes = evaluate_lrp(dict(images=[], categories=[], annotations=[]), [])
    for other in (evaluate(tmp_path / 'fewer', images[1:]), evaluate(tmp_path / 'm', moved), boxes):
        for pair in ((one, other), (other, one)):
            with pytest.raises(ValueError, match='ground truth'):
                compare(*pair, 3)
