"""What a user should know before trusting the numbers of an evaluation."""

from collections.abc import Iterator

import numpy as np

from ..text import format_list
from .curve import mean_over_classes
from .evaluation import Evaluation

LEAST_DIFFERENCE = 0.0005  # of LRP: less does not show in the tables


def doubts(evaluation: Evaluation) -> list[str]:
    """One sentence for each reason to doubt the numbers, to go after the name of the results."""
    if not len(evaluation.matches.score):
        return ['no detections: AP is 0 and oLRP is 1']
    return [*_few_images(evaluation), *_ties(evaluation)]


def _few_images(evaluation: Evaluation) -> Iterator[str]:
    """Whether most images with objects have no detections."""
    truth = evaluation.truth
    has_objects, has_detections = np.zeros((2, evaluation.num_images), dtype=np.bool_)
    has_objects[truth.image[~truth.ignored]] = True
    has_detections[evaluation.matches.image] = True
    num_images, num_found = has_objects.sum(), (has_objects & has_detections).sum()
    if 2 * num_found < num_images:
        yield (
            f'detections in only {num_found:,} of the {num_images:,} images with objects. Are they '
            'of another data set?'
        )


def _ties(evaluation: Evaluation) -> Iterator[str]:
    """Whether equal scores make oLRP lower than any threshold can."""
    errors, tied = evaluation.olrp[:, 0].copy(), []
    for k, threshold in enumerate(evaluation.lrp_opt_thr[:, 0]):
        if threshold >= 0:  # -1 and NaN mean that there is none
            error = evaluation.curve(evaluation.category_ids[k]).at(threshold).error
            if error > errors[k] + LEAST_DIFFERENCE:
                tied.append(evaluation.category_names[k])
                errors[k] = error
    if tied:
        olrp, at_thresholds = map(mean_over_classes, (evaluation.olrp[:, 0], errors))
        yield (
            f'equal scores at the LRP-optimal thresholds of {format_list(tied)}: oLRP counts some '
            'of these detections, in the order of the file, but a threshold keeps all. The mean '
            f'LRP error at the thresholds is {at_thresholds:.3f}, oLRP is {olrp:.3f}. Scores with '
            'more digits often avoid this'
        )
