"""TensorBoard logging through vis_backends, also in a resumed run."""

import pytest
from mmengine.config import Config

pytest.importorskip('tensorboard', reason='TensorBoard is optional')
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

BACKENDS = "[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]"


@pytest.mark.slow
def test_tensorboard_continues_in_a_resumed_run(config, tool, tmp_path):
    text = config.read_text()
    config.write_text(f'{text}\nvisualizer = dict(vis_backends={BACKENDS})\n')
    assert len(Config.fromfile(config).visualizer.vis_backends) == 2
    for epochs, resume in ((1, []), (2, ['--resume'])):
        options = (f'train_cfg.max_epochs={epochs}',)
        tool('train.py', config, '--work-dir', 'run', *resume, options=options)
    steps, aps = [], []
    for log in sorted((tmp_path / 'run').glob('*/vis_data')):
        events = EventAccumulator(str(log)).Reload()
        steps += [event.step for event in events.Scalars('self_balance')]
        aps += [event.step for event in events.Scalars('coco/bbox_mAP')]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert aps == [1, 2]
