from collections.abc import Sequence

import torch
from mmengine.hooks import Hook

from ..datasets.leaves import classes_of_built
from ..deploy.prediction_steps import PredictionStep


class PredictionHook(Hook):
    """Changes the predictions of a detector during a test, by a file with something for each class.

    A ``CocoLRPMetric`` of the test does not write its ``thresholds_file``: thresholds apply to the
    unchanged predictions.
    """

    error: type[ValueError]
    effect: str  # what the log says, before the name of the file

    def __init__(self, file: str):
        self.file = file
        self._applied = None
        self._disabled = []

    def apply(self, model: torch.nn.Module, classes: Sequence[str]) -> PredictionStep:
        """Read the file and change the predictions of the model."""
        raise NotImplementedError

    def before_test(self, runner) -> None:
        """Change the predictions."""
        classes = classes_of_built(runner.test_dataloader.dataset)
        if classes is None:
            raise self.error("the test dataset has no metainfo['classes'], or parts that differ")
        try:
            self._applied = self.apply(runner.model, classes)
        except FileNotFoundError as error:
            raise self.error(f'{type(self).__name__}: {error}') from None
        runner.logger.info(f'{self.effect} {self.file}')
        for metric in runner.test_evaluator.metrics:
            file = getattr(metric, 'thresholds_file', None)
            if file is not None:
                runner.logger.warning(
                    f'Not writing thresholds_file {file}: thresholds apply to all detections and '
                    f'their unchanged scores, but {type(self).__name__} changed them'
                )
                self._disabled.append((metric, file))
                metric.thresholds_file = None

    def after_test(self, runner) -> None:
        """Undo the change."""
        self._applied.remove()
        for metric, file in self._disabled:
            metric.thresholds_file = file
        self._disabled.clear()
