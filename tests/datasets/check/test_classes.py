import re

import pytest


def test_nothing_but_crowds_to_train_on(refused, content):
    for annotation in content['annotations']:
        annotation['iscrowd'] = 1
    assert 'nothing to train on' in refused(content)


def test_nothing_to_train_on(refused, content):
    content['annotations'] = []
    assert 'nothing to train on' in refused(content)


@pytest.mark.parametrize(
    'keys, text',
    [
        (('images', 'categories', 'annotations'), 'no images and no categories'),
        (('categories',), 'no categories'),
    ],
)
def test_an_empty_file_has_one_problem(refused, content, keys, text):
    content.update({key: [] for key in keys})
    message = refused(content)
    assert f'the file has {text}: is this the right file?' in message
    assert message.count('  - ') == 1


def test_crowded_out_by_other_categories(refused, content):
    content['categories'].append(dict(id=3, name='dust'))
    for annotation in content['annotations']:
        annotation['category_id'] = 3
    assert 'nothing to train on' in refused(content)


def test_forgotten_metainfo(refused, config, content):
    del config.train_dataloader.dataset['metainfo']
    message = refused(content)
    assert '80 of the 80 classes have no category' in message
    assert 'nothing to train on' not in message
    assert "metainfo=dict(classes=('cell', 'plate',))" in message


def test_misspelt_class(refused, content):
    content['categories'][1]['name'] = 'Plate'
    assert re.search("1 of the 2 classes.*: plate.*'Plate' for 'plate'", refused(content))


def test_classes_in_another_order(refused, config, content):
    config.train_dataloader.dataset.metainfo = dict(classes=('plate', 'cell'))
    message = refused(content)
    assert 'order' in message
    assert "metainfo=dict(classes=('cell', 'plate',))" in message


def test_categories_of_one_name(refused, content):
    content['categories'].append(dict(id=3, name='cell'))
    assert 'categories share a name: cell' in refused(content)


def test_unused_category_passes(check, content):
    content['categories'].insert(0, dict(id=3, name='dust'))
    check(content)


def test_forgotten_comma(refused, config, content):
    config.train_dataloader.dataset.metainfo = dict(classes='cell')
    assert "metainfo=dict(classes=('cell',))" in refused(content)


def test_classes_from_a_file(check, config, content, tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text('cell\nplate\n')
    config.train_dataloader.dataset.metainfo = dict(classes=str(names))
    check(content)


@pytest.mark.parametrize(
    'model, where',
    [
        (dict(bbox_head=dict(num_classes=80)), 'model.bbox_head.num_classes is 80'),
        (
            dict(roi_head=dict(bbox_head=[dict(num_classes=2), dict(num_classes=3)])),
            'model.roi_head.bbox_head.1.num_classes is 3',
        ),
        (dict(detector=dict(bbox_head=dict(num_classes=1))), 'detector.bbox_head.num_classes is 1'),
    ],
)
def test_wrong_number_of_classes(refused, config, content, model, where):
    config.model = model
    message = refused(content)
    assert where in message
    assert 'set it to 2' in message


def test_other_heads_may_differ(check, config, content):
    config.model.rpn_head = dict(num_classes=1)
    config.model.semantic_head = dict(num_classes=183)
    config.model.bbox_head.loss_cls = dict(num_classes=5)
    check(content)


def test_supercategory_of_any_type(check, content):
    for category in content['categories']:
        category['supercategory'] = ['parts']
    check(content)


def test_root_category_is_warned_about(check, config, content, logged):
    content['categories'].insert(0, dict(id=0, name='parts', supercategory='none'))
    for category in content['categories'][1:]:
        category['supercategory'] = 'parts'
    config.pop('val_dataloader')
    config.train_dataloader.dataset.metainfo = dict(classes=('parts', 'cell', 'plate'))
    config.model = dict()
    check(content)
    [text] = logged
    assert re.search("'parts'.*supercategory of all others", text)
