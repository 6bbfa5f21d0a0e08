"""Change the final predictions of a detector, in a fixed order of steps.

Works with any detector of MMDetection, because it starts where the detector ends.
"""

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModel, BaseTTAModel, is_model_wrapper
from mmengine.structures import InstanceData


class PredictionStep:
    """A change of the predictions of a model, until it is removed.

    Applies to ``test_step`` and ``forward(..., mode='predict')``, and therefore to
    ``inference_detector``, ``DetInferencer`` and tests of a runner. With test-time augmentation,
    the merged detections are changed. Training, the state dict and ``mode='tensor'`` do not change.
    A model has one step of each class; a second one replaces the first.

    Args:
        model (torch.nn.Module): A detector of MMDetection, or a wrapper for distributed training or
            test-time augmentation.

    Raises:
        TypeError: If the model is not a detector of MMDetection.
    """

    order: int  # lower ones come first

    def __init__(self, model: torch.nn.Module):
        self.model = unwrapped(model)
        steps = vars(self.model).get('prediction_steps')
        if steps is None:
            steps = self.model.prediction_steps = _Steps(self.model)
        steps.add(self)

    def process(self, found: InstanceData) -> InstanceData:
        """Return the changed detections of an image."""
        raise NotImplementedError

    def remove(self) -> None:
        """Undo the change. Does nothing if the step was removed or replaced."""
        steps = vars(self.model).get('prediction_steps')
        if steps is not None:
            steps.discard(self)

    def __enter__(self) -> 'PredictionStep':
        return self

    def __exit__(self, *error) -> None:
        self.remove()


class _Steps:
    """The steps of a model, and the hook that runs them."""

    def __init__(self, model: BaseModel):
        self.model, self.steps = model, []
        if isinstance(model, BaseTTAModel):  # MMEngine never calls its forward
            self._hook, self._merge = None, model.merge_preds
            model.merge_preds = self._merge_and_process
        else:
            self._hook = model.register_forward_hook(self._after_forward, with_kwargs=True)

    def add(self, step: PredictionStep) -> None:
        others = [other for other in self.steps if type(other) is not type(step)]
        self.steps = sorted([*others, step], key=lambda step: step.order)

    def discard(self, step: PredictionStep) -> None:
        if step not in self.steps:
            return
        self.steps.remove(step)
        if self.steps:
            return
        del self.model.prediction_steps
        if self._hook is None:
            del self.model.merge_preds
        else:
            self._hook.remove()

    def _after_forward(self, model, args: tuple, kwargs: dict, output) -> None:
        mode = args[2] if len(args) > 2 else kwargs.get('mode')
        if mode == 'predict':
            self._process(output)

    def _merge_and_process(self, *args, **kwargs) -> list[DetDataSample]:
        return self._process(self._merge(*args, **kwargs))

    def _process(self, data_samples: list[DetDataSample]) -> list[DetDataSample]:
        for sample in data_samples:
            if 'pred_instances' not in sample:  # semantic segmentation
                continue
            for step in self.steps:
                sample.pred_instances = step.process(sample.pred_instances)
        return data_samples


def unwrapped(model: torch.nn.Module) -> BaseModel:
    """The detector, or the model for test-time augmentation, within wrappers."""
    while is_model_wrapper(model):
        model = model.module
    if not isinstance(model, BaseModel):
        raise TypeError(f'expected a detector of MMDetection, got a {type(model).__name__}')
    return model
