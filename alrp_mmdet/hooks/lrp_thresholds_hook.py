from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from ..deploy.thresholds import ThresholdsError, apply_thresholds, read_thresholds


@HOOKS.register_module()
class LRPThresholdsHook(Hook):
    """Tests a detector at the score thresholds in a ``thresholds_file`` of ``CocoLRPMetric``.

    Everything that a test produces is based on the remaining detections: metrics, prediction files
    and visualizations (in which ``DetVisualizationHook`` still draws only scores above its own
    ``score_thr``, 0.3 by default). Training and validation use all detections, because they compare
    detectors and find the thresholds.

    A ``CocoLRPMetric`` of the test does not write its own ``thresholds_file``: after thresholding,
    it could only find higher thresholds.

    Args:
        thresholds_file (str): The file, with the classes of the test dataset. It is read when the
            test starts, so that the same run may write it.
    """

    def __init__(self, thresholds_file: str):
        self.thresholds_file = thresholds_file
        self._applied = None
        self._disabled = []

    def before_test(self, runner) -> None:
        """Apply the thresholds."""
        classes = getattr(runner.test_dataloader.dataset, 'metainfo', {}).get('classes')
        if classes is None:
            raise ThresholdsError("the test dataset has no metainfo['classes']")
        try:
            thresholds = read_thresholds(self.thresholds_file, classes)
        except FileNotFoundError as error:
            raise ThresholdsError(f'{type(self).__name__}: {error}') from None
        self._applied = apply_thresholds(runner.model, thresholds)
        runner.logger.info(f'Dropping detections below the thresholds in {self.thresholds_file}')
        for metric in runner.test_evaluator.metrics:
            file = getattr(metric, 'thresholds_file', None)
            if file is not None:
                runner.logger.warning(
                    f'Not writing thresholds_file {file}: detections below the thresholds are '
                    'already dropped'
                )
                self._disabled.append((metric, file))
                metric.thresholds_file = None

    def after_test(self, runner) -> None:
        """Remove the thresholds."""
        self._applied.remove()
        for metric, file in self._disabled:
            metric.thresholds_file = file
