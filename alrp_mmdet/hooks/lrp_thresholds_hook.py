from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from ..deploy.thresholds import ThresholdsError, apply_thresholds, read_thresholds


@HOOKS.register_module()
class LRPThresholdsHook(Hook):
    """Tests a detector at the score thresholds in a ``thresholds_file`` of ``CocoLRPMetric``.

    All that comes out of the test is of the detections that are left: numbers, predictions that are
    written, pictures (in which ``DetVisualizationHook`` still draws only what is above its own
    ``score_thr``, 0.3 unless set otherwise). Training and validation are not touched: they are to
    compare detectors, and find the thresholds, on all detections.

    A ``CocoLRPMetric`` of the test that has a ``thresholds_file`` itself does not write it,
    whichever file that is: of detections that were cut off, only higher thresholds could be found.

    Args:
        thresholds_file (str): The file, which may be written while the run goes on: it is read
            when the test starts. Classes are those of the test's data set.
    """

    def __init__(self, thresholds_file: str):
        self.thresholds_file = thresholds_file
        self._applied = None
        self._not_written = []

    def before_test(self, runner) -> None:
        """Apply the thresholds."""
        classes = getattr(runner.test_dataloader.dataset, 'metainfo', {}).get('classes')
        if classes is None:
            raise ThresholdsError('the data set of the test does not name its classes')
        try:
            thresholds = read_thresholds(self.thresholds_file, classes)
        except FileNotFoundError as error:
            raise ThresholdsError(f'{type(self).__name__}: {error}') from None
        self._applied = apply_thresholds(runner.model, thresholds)
        runner.logger.info(f'Detections are cut off at the thresholds in {self.thresholds_file}')
        for metric in runner.test_evaluator.metrics:
            file = getattr(metric, 'thresholds_file', None)
            if file is not None:
                runner.logger.warning(
                    f'The metric does not write its thresholds_file, {file}: its detections are '
                    'cut off already'
                )
                self._not_written.append((metric, file))
                metric.thresholds_file = None

    def after_test(self, runner) -> None:
        """Undo it."""
        self._applied.remove()
        for metric, file in self._not_written:
            metric.thresholds_file = file
        self._not_written = []
