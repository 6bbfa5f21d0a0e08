from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from ..transfer.fine_tuning import check_fits, fine_tune


@HOOKS.register_module()
class FineTuneHook(Hook):
    """Loads of a checkpoint what fits, layer by layer, where a training starts from ``load_from``.

    What does not fit starts anew, such as the classifier where the classes are others, and a list
    tells what was loaded, what starts anew and why, and what of the checkpoint is not used. Where
    the number of classes is the same but their names or their order are not, the classifier starts
    anew as well. Where the box coder has other standard deviations, the box layer is rescaled.

    In a test, or when a training is resumed, a checkpoint has to fit as a whole: it is refused if
    weights are missing or of another shape, or if its classes stand in another order. Counters of
    batch normalisation and the state of self-balance may be missing. A warning tells if boxes are
    decoded differently than in the config that the checkpoint may hold, of which nothing is run.

    An ``ema_state_dict`` in the checkpoint is left as it is.

    Args:
        keep_matching_classes (bool): Whether classifiers, and box layers with a box for each class,
            keep the outputs of classes that have the same name in the checkpoint. Defaults to
            False.

    Raises:
        CheckpointError: If the checkpoint is none, if nothing of it fits, or in a test not all.
    """

    priority = 'HIGH'  # before EMAHook, which loads the same state dict

    def __init__(self, keep_matching_classes: bool = False):
        self.keep_matching_classes = keep_matching_classes

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Make the checkpoint fit, or refuse it."""
        filename = runner._load_from or 'the checkpoint'
        # A runner builds the loops that it is going to run before it loads.
        loops = runner._train_loop, runner._val_loop, runner._test_loop
        loop = next((loop for loop in loops if isinstance(loop, BaseLoop)), None)
        if loop is None:  # somebody's own program, which loads by itself
            return
        metainfo = getattr(loop.dataloader.dataset, 'metainfo', None)
        # MMDetection's ConcatDataset has a list of them where its data sets differ.
        classes = metainfo.get('classes') if isinstance(metainfo, dict) else None
        settings = runner.cfg.get('model')
        settings = settings if isinstance(settings, dict) else None
        where = runner.model, checkpoint, filename, classes
        if loop is runner._train_loop and not runner._resume:
            fine_tune(*where, self.keep_matching_classes, settings)
        else:
            check_fits(*where, settings)
