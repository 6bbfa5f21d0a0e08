"""Evaluators of configs that are written by hand, in real runs."""

import json

import pytest
from mmengine.config import Config

OPTIONS = 'train_cfg.max_epochs=1', 'default_hooks.visualization.draw=True'


@pytest.mark.slow
def test_several_validation_sets_many_classes_and_early_stopping(tool, config, tmp_path, capsys):
    """What is refused in other forms works in this one."""
    classes = 'square', 'disc', *(f'class {i}' for i in range(80))
    content = json.loads((tmp_path / 'annotations.json').read_text())
    content['categories'] = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    for name in ('annotations', 'other'):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    text = config.read_text().replace("classes=('square', 'disc')", f'classes={classes}')
    text = text.replace('num_classes=2', f'num_classes={len(classes)}')
    path = tmp_path / 'several.py'
    path.write_text(
        text
        + """
leaf = val_dataloader.pop('dataset')
val_dataloader['dataset'] = dict(
    type='ConcatDataset', datasets=[leaf, dict(leaf, ann_file='other.json')]
)
test_dataloader = val_dataloader
metric = dict(type='CocoLRPMetric', metric='bbox', classwise=True)
val_evaluator = dict(
    type='MultiDatasetsEvaluator',
    metrics=[
        dict(metric, ann_file=data_root + '/annotations.json'),
        dict(metric, ann_file=data_root + '/other.json'),
    ],
    dataset_prefixes=['a', 'b'],
)
test_evaluator = val_evaluator
custom_hooks = [
    dict(type='EarlyStoppingHook', monitor='b/coco/bbox_square_oLRP', patience=1, strict=True)
]
"""
    )
    work_dir = tmp_path / 'work'
    tool('train.py', path, '--work-dir', work_dir, options=OPTIONS)
    assert (work_dir / 'epoch_1.pth').is_file()
    assert len(Config.fromfile(work_dir / 'several.py').train_dataloader.dataset.metainfo.palette)
    printed = capsys.readouterr()
    assert 'b/coco/bbox_oLRP' in printed.out + printed.err


@pytest.mark.parametrize(
    'options, named',
    [
        (['val_evaluator.ann_file=None'], 'no ann_file'),
        (['default_hooks.checkpoint.save_best=coco/segm_mAP'], 'coco/segm_mAP'),
        (['train_dataloader.dataset.filter_cfg.min_size=640'], 'min_size=640'),
    ],
)
def test_mistakes_are_one_line_before_training(tool, config, tmp_path, options, named):
    with pytest.raises(SystemExit) as error:
        tool('train.py', config, '--work-dir', tmp_path / 'work', options=options)
    assert str(error.value.code).startswith('error: ') and named in error.value.code
    assert not list(tmp_path.glob('work/*.pth'))
