import random

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import set_random_seed


def seed_worker(worker_id: int) -> None:
    """Seed NumPy and Python in a data loading worker with the seed that torch gave it."""
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds every epoch from the run's seed, the epoch and the rank.

    A resumed run then augments images exactly like an uninterrupted run. With deterministic
    arithmetic, as on the CPU, it ends with the same weights. Data loading workers need
    ``persistent_workers=False``, because persistent workers continue the random numbers of earlier
    epochs; otherwise there is a warning.

    Iteration-based runs do not need this hook: MMEngine replays their data when they resume.
    onedl-mmengine only skips it: the images are the same as in an uninterrupted run, but not their
    random augmentation.
    """

    def before_train(self, runner) -> None:
        """Warn if the workers keep their random numbers."""
        if runner.train_dataloader.persistent_workers:
            runner.logger.warning(
                'train_dataloader.persistent_workers is True: if this run is resumed, images are '
                'augmented differently from an uninterrupted run. Set it to False for equal results'
            )

    def before_train_epoch(self, runner) -> None:
        """Seed this process, which seeds the workers of the epoch."""
        state = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()])
        set_random_seed(int(state.generate_state(1)[0]))
        runner.train_dataloader.worker_init_fn = seed_worker
