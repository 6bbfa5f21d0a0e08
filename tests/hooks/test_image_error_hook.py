import pickle
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from torch.utils.data import DataLoader

from alrp_mmdet.errors import ImageReadError
from alrp_mmdet.hooks import ImageErrorHook


class Images(BaseDataset):
    def load_data_list(self):
        return [dict(img_path=self.ann_file)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    return path


def loader(path, wrap, workers):
    dataset = Images(str(path), pipeline=[LoadImageFromFile(), lambda results: 1])
    if wrap is not None:
        dataset = wrap(dataset)
    loader = DataLoader(dataset, num_workers=workers)
    loop = SimpleNamespace(dataloader=loader)
    ImageErrorHook().before_run(
        SimpleNamespace(_train_loop=loop, _val_loop=dict(type='ValLoop'), _test_loop=None)
    )
    return loader


@pytest.mark.parametrize(
    'wrap, workers',
    [
        (None, 0),
        pytest.param(lambda d: ConcatDataset([d]), 1, marks=pytest.mark.slow),
        (lambda d: RepeatDataset(d, 2), 0),
    ],
)
@pytest.mark.parametrize('damage', ['missing', 'empty', 'text'])
def test_errors_name_the_file(path, wrap, workers, damage):
    images = loader(path, wrap, workers)
    assert len([*images]) == len(images.dataset)
    if damage == 'missing':
        path.unlink()
    else:
        path.write_text('' if damage == 'empty' else 'not an image')
    with pytest.raises(ImageReadError) as error:
        next(iter(images))
    assert error.value.reason.count(str(path)) == 1
    assert len(error.value.reason.splitlines()) == 1 and 'Traceback' not in error.value.reason


def test_it_can_be_sent_to_workers(path):
    transform = loader(path, None, 0).dataset.pipeline.transforms[0]
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(LoadImageFromFile())
