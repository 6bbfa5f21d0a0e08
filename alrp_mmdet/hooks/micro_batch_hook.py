from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from ..models.micro_batches import MicroBatches
from ..transfer.fine_tuning.state_dicts import unwrap_model


@HOOKS.register_module()
class MicroBatchHook(Hook):
    """Trains on batches larger than memory if the config sets ``micro_batch_size``.

    With ``micro_batch_size = 4`` at the top level of a config, images are forwarded and
    backpropagated four at a time, but ranked together. See ``MicroBatches``.

    Raises:
        ConfigError: If the setting is invalid, or the model cannot be trained in micro-batches.
    """

    def before_train(self, runner) -> None:
        """Check the model and change its loss."""
        size = runner.cfg.get('micro_batch_size')
        if size is None:
            return
        model = unwrap_model(runner.model)
        micro_batches = MicroBatches(model, size)
        model.train()
        micro_batches.check_norms()
        micro_batches.install()
        runner.logger.info(
            f'micro_batch_size={size}: images are forwarded {size} at a time and ranked together'
        )
