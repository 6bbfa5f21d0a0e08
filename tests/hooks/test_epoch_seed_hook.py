from types import SimpleNamespace
from unittest import mock

import pytest
from torch.utils.data import DataLoader

from alrp_mmdet.hooks import EpochSeedHook


@pytest.mark.parametrize('workers, persistent', [(0, False), (1, False), (1, True)])
def test_persistent_workers_are_warned_of(workers, persistent):
    loader = DataLoader(range(2), num_workers=workers, persistent_workers=persistent)
    runner = SimpleNamespace(train_dataloader=loader, logger=mock.Mock())
    EpochSeedHook().before_train(runner)
    texts = [call.args[0] for call in runner.logger.warning.call_args_list]
    assert len(texts) == persistent
    assert all('persistent_workers' in text and 'resumed' in text for text in texts)
