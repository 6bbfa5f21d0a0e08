import random

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import set_random_seed


def seed_worker(worker_id: int) -> None:
    """Seed a data loading worker from its epoch's seed, which torch has given it already."""
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Makes every epoch's random numbers follow from seed, epoch and rank alone.

    A resumed run then augments its images as the uninterrupted run would have and, where the
    arithmetic is deterministic as on the CPU, ends with the same weights. In data loading workers,
    that needs ``persistent_workers=False``: persistent ones go on with the random numbers of
    earlier epochs. Runs that count iterations need no such help: MMEngine replays their data when
    they are resumed.
    """

    def before_train_epoch(self, runner) -> None:
        """Reseed this process, from which the workers of the epoch get their seeds."""
        state = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()])
        set_random_seed(int(state.generate_state(1)[0]))
        runner.train_dataloader.worker_init_fn = seed_worker
