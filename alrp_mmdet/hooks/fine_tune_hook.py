from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from ..datasets.leaves import classes_of_built
from ..transfer.fine_tuning import check_fits, fine_tune, warn_of_frozen_random_layers


@HOOKS.register_module()
class FineTuneHook(Hook):
    """Loads the layers of a ``load_from`` checkpoint that fit the model.

    At the start of a training, layers that do not fit are re-initialised, such as the classifier
    for other classes. This includes classes with other names or in another order. The log lists
    what was loaded, re-initialised, and why, and what of the checkpoint was not used. If the box
    coder has other standard deviations, the box layer is rescaled.

    A checkpoint that is tested or resumed must fit completely. It is refused if weights are missing
    or have another shape, or if its classes have another order. Batch counters of batch
    normalisation and the state of self-balance may be missing. A warning lists where the config in
    the checkpoint decodes boxes differently; no code in that config is run.

    Without a checkpoint, a warning says if the backbone has frozen layers with random weights.

    An ``ema_state_dict`` in the checkpoint is left unchanged.

    Args:
        keep_matching_classes (bool): Whether classifiers, and box layers with a box per class, load
            the outputs of classes that have the same name in the checkpoint. Defaults to False.

    Raises:
        CheckpointError: If the file has no weights, or none that fit; in a test, or when resuming,
            if the checkpoint does not fit completely.
    """

    priority = 'HIGH'  # before EMAHook, which loads the same state dict

    def __init__(self, keep_matching_classes: bool = False):
        self.keep_matching_classes = keep_matching_classes

    def before_train(self, runner) -> None:
        """Warn if the run starts with frozen random layers in the backbone."""
        if runner._load_from is None and not runner._resume:
            warn_of_frozen_random_layers(runner.model)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Change the checkpoint to fit the model, or refuse it."""
        filename = runner._load_from or 'the checkpoint'
        # A runner builds the loops that it will run before it loads the checkpoint.
        loops = runner._train_loop, runner._val_loop, runner._test_loop
        loop = next((loop for loop in loops if isinstance(loop, BaseLoop)), None)
        if loop is None:  # a custom program calls load_checkpoint without a loop
            return
        classes = classes_of_built(loop.dataloader.dataset)
        model_cfg = runner.cfg.get('model')
        model_cfg = model_cfg if isinstance(model_cfg, dict) else {}
        model_cfg = model_cfg.get('module', model_cfg) or None  # of test-time augmentation
        arguments = runner.model, checkpoint, filename, classes
        if loop is runner._train_loop and not runner._resume:
            fine_tune(*arguments, self.keep_matching_classes, model_cfg)
        else:
            check_fits(*arguments, model_cfg)
