import json
from copy import deepcopy

import pytest
from mmengine.config import Config

from alrp_mmdet.datasets.check import AnnotationError, check_datasets

CONTENT = dict(
    images=[dict(id=i, file_name=f'{i}.jpg', width=64, height=48) for i in (1, 2)],
    annotations=[
        dict(id=i, image_id=1 + i % 2, category_id=1 + i % 2, bbox=[2, 3, 10.5, 20], area=210.0)
        | dict(iscrowd=0)
        for i in range(4)
    ],
    categories=[dict(id=1, name='cell'), dict(id=2, name='plate')],
)


@pytest.fixture
def content():
    return deepcopy(CONTENT)


@pytest.fixture
def config(tmp_path, content):
    """A config whose train and val sets are in ``tmp_path``, not yet written."""
    (tmp_path / 'images').mkdir()
    for image in content['images']:
        (tmp_path / 'images' / image['file_name']).touch()

    def dataset(name):
        return dict(
            type='CocoDataset',
            data_root=str(tmp_path),
            ann_file=f'{name}.json',
            data_prefix=dict(img='images/'),
            metainfo=dict(classes=('cell', 'plate')),
        )

    (tmp_path / 'val.json').write_text(json.dumps(content))
    return Config(
        dict(
            train_dataloader=dict(dataset=dataset('train')),
            val_dataloader=dict(dataset=dataset('val')),
            model=dict(bbox_head=dict(num_classes=2)),
        )
    )


@pytest.fixture
def check(tmp_path, config):
    """Checks the config with an annotation file for training, text or content."""

    def run(train):
        text = train if isinstance(train, str) else json.dumps(train)
        (tmp_path / 'train.json').write_text(text)
        check_datasets(config, ('train', 'val'))

    return run


@pytest.fixture
def refused(check):
    """The message with which annotations are refused."""

    def run(train):
        with pytest.raises(AnnotationError) as error:
            check(train)
        return str(error.value)

    return run
