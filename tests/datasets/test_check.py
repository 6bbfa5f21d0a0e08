import json
import re
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


def test_correct_data_pass(check, content):
    check(content)


def test_missing_file(config, tmp_path):
    with pytest.raises(AnnotationError, match=r'train\.json:\n.*no such file.*data_root.*ann_file'):
        check_datasets(config, ('train',))


@pytest.mark.parametrize(
    'text, message',
    [
        ('{"images": [', 'not JSON'),
        ('[]', 'not COCO format.*images, annotations, categories.*a list'),
        ('{"images": [], "categories": []}', "not COCO format.*'annotations'"),
        ('{"images": [3], "categories": [], "annotations": []}', "not COCO format.*'images'"),
    ],
)
def test_malformed_file(refused, text, message):
    assert_matches(refused(text), message)


@pytest.mark.parametrize('bbox', [[1, 2, 3], [1, 2, 3, 'x'], [1, 2, float('nan'), 4], None])
def test_malformed_box(refused, content, bbox):
    content['annotations'][1]['bbox'] = bbox
    message = refused(content)
    assert_matches(message, r'1 of 4 annotations .*bbox.*four finite numbers.*id 1 of image 2')
    assert repr(bbox) in message


@pytest.mark.parametrize('key', ['image_id', 'category_id', 'bbox', 'area'])
def test_missing_key(refused, content, key):
    del content['annotations'][2][key]
    assert_matches(refused(content), f"1 of 4 annotations have no '{key}'.*id 2")


def test_only_evaluation_needs_iscrowd(tmp_path, check, content):
    for annotation in content['annotations']:
        del annotation['iscrowd']
    check(content)
    (tmp_path / 'val.json').write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match="4 of 4 annotations have no 'iscrowd'"):
        check(content)


@pytest.mark.parametrize('key, of', [('image_id', 'images'), ('category_id', 'categories')])
def test_unknown_reference(refused, content, key, of):
    content['annotations'][3][key] = 77
    assert_matches(refused(content), rf'1 of 4 annotations .*{key}.* in {of}: 77 \(id 3 of image')


def test_shared_ids(refused, content):
    content['annotations'][3]['id'] = 0
    content['images'][1]['id'] = 1
    message = refused(content)
    assert_matches(message, r'1 images share [^\n]*id[^\n]*: 1\n')
    assert_matches(message, r'1 annotations share [^\n]*id[^\n]*: 0\n')


@pytest.mark.parametrize('bbox', [[5, 5, 0, 9], [5, 5, 9, -2]])
def test_box_without_area(refused, check, config, content, bbox):
    content['annotations'][0]['bbox'] = bbox
    assert_matches(refused(content), '1 boxes have no area: id 0 of image 1.*drop_degenerate_boxes')
    config.drop_degenerate_boxes = ['somebody/elses.json']
    refused(content)
    config.drop_degenerate_boxes = [config.train_dataloader.dataset.ann_file]
    check(content)


@pytest.mark.parametrize('bbox', [[64, 5, 9, 9], [5, 48.5, 9, 9], [-9, 5, 9, 9], [5, -10, 9, 9]])
def test_box_outside_of_its_image(refused, check, config, content, bbox):
    content['annotations'][0]['bbox'] = bbox
    assert_matches(refused(content), 'boxes .*outside.*: id 0 of image 1.*drop_degenerate')
    config.drop_degenerate_boxes = [config.train_dataloader.dataset.ann_file]
    check(content)
    config.drop_degenerate_boxes = []
    content['annotations'][0]['bbox'] = [63, 47, 9, 9]  # a corner of it is inside
    check(content)


def test_images_listed_twice(refused, content):
    content['images'][1]['file_name'] = './1.jpg'
    assert_matches(refused(content), r'1 images are listed more than once.*: 1\.jpg')


def test_image_without_a_name(refused, content):
    del content['images'][1]['file_name']
    assert_matches(refused(content), "1 images have no 'file_name', 'height' or 'width', ids 2")


@pytest.mark.parametrize(
    'key, message',
    [
        ('segmentation', 'these are masks: no annotation has a'),
        ('keypoints', 'these are keypoints'),
        ('caption', 'these are captions'),
        ('segments_info', 'these are panoptic segments'),
    ],
)
def test_annotations_of_another_kind(refused, check, content, key, message):
    for annotation in content['annotations']:
        annotation[key] = []
    check(content)  # ignored if there are boxes
    for annotation in content['annotations']:
        del annotation['bbox']
    assert message in refused(content)


def test_results_in_place_of_annotations(refused):
    assert 'results of a detector' in refused([dict(image_id=1, score=0.5, bbox=[1, 2, 3, 4])])


def test_dropped_boxes_and_ignored_categories_are_logged(check, content, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'alrp_mmdet.datasets.check.print_log', lambda text, **_: logged.append(text)
    )
    content['annotations'][0]['bbox'] = [2, 3, 0.5, 20]
    content['categories'].append(dict(id=3, name='dust'))
    check(content)
    boxes, categories = sorted(logged, key=lambda text: 'dust' in text)
    assert_matches(boxes, r'train\.json: .*dropped.*\b1 boxes narrower than a pixel')
    assert_matches(categories, r'train\.json: .*categories.*: dust$')


def test_area_of_zero(refused, check, config, content):
    content['annotations'][0]['area'] = 0
    assert_matches(refused(content), "1 annotations have an 'area' of 0: id 0 of image 1")
    config.drop_degenerate_boxes = ['somebody/elses.json']
    refused(content)
    config.drop_degenerate_boxes = [config.train_dataloader.dataset.ann_file]
    check(content)


@pytest.mark.parametrize(
    'key, name, value, message',
    [
        ('annotations', 'area', None, r'1 of 4 annotations .*area.*number: None \(id 0'),
        ('annotations', 'area', '81', r"1 of 4 annotations .*area.*number: '81' \(id 0"),
        ('annotations', 'area', float('nan'), r'1 of 4 annotations .*area.*number: nan \(id 0'),
        ('annotations', 'image_id', [1], r'1 of 4 annotations .*image_id.*: \[1\] \(id 0'),
        (
            'annotations',
            'category_id',
            1.5,
            r'1 of 4 annotations .*category_id.*whole number: 1\.5',
        ),
        ('annotations', 'iscrowd', '0', r"1 of 4 annotations .*iscrowd.*whole number: '0'"),
        ('images', 'file_name', None, r'1 of 2 images .*file_name.*text: None \(id 1\)'),
        ('categories', 'name', 7, r'1 of 2 categories .*name.*text: 7 \(id 1\)'),
    ],
)
def test_values_of_another_type(refused, content, key, name, value, message):
    content[key][0][name] = value
    assert_matches(refused(content), message)


def test_nothing_but_crowds_to_train_on(refused, content):
    for annotation in content['annotations']:
        annotation['iscrowd'] = 1
    assert 'nothing to train on' in refused(content)


def test_nothing_to_train_on(refused, content):
    content['annotations'] = []
    assert 'nothing to train on' in refused(content)


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
    assert_matches(refused(content), "1 of the 2 classes.*: plate.*'Plate' for 'plate'")


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


def test_forgotten_folder_of_images(refused, config, content):
    del config.train_dataloader.dataset['data_prefix']
    assert 'data_prefix=dict(img=' in refused(content)


def test_classes_from_a_file(check, config, content, tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text('cell\nplate\n')
    config.train_dataloader.dataset.metainfo = dict(classes=str(names))
    check(content)


def test_missing_images(refused, content):
    content['images'].append(dict(id=3, file_name='deep/3.jpg', width=64, height=48))
    assert_matches(refused(content), '1 of 3 images are not in .*images/: deep/3.jpg')


@pytest.mark.parametrize(
    'name, facts', [('1.JPG', ['1.JPG is 1.jpg']), ('https://host/1.jpg?x=1', ['URLs'])]
)
def test_names_that_new_project_would_find(refused, content, name, facts):
    content['images'][0]['file_name'] = name
    message = refused(content)
    assert all(fact in message for fact in [name, 'new-project', *facts])


def test_all_problems_of_a_file_are_listed(refused, content):
    content['annotations'][0]['bbox'] = [5, 5, 0, 9]
    content['annotations'][1]['image_id'] = 77
    content['images'].append(dict(id=3, file_name='3.jpg', width=64, height=48))
    assert refused(content).count('\n  - ') == 3


@pytest.mark.parametrize(
    'model, where',
    [
        (dict(bbox_head=dict(num_classes=80)), 'model.bbox_head.num_classes is 80'),
        (
            dict(roi_head=dict(bbox_head=[dict(num_classes=2), dict(num_classes=3)])),
            'model.roi_head.bbox_head[1].num_classes is 3',
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


@pytest.mark.parametrize(
    'wrap',
    [
        lambda dataset: dict(type='RepeatDataset', times=2, dataset=dataset),
        lambda dataset: dict(type='ConcatDataset', datasets=[dataset, dataset]),
        lambda dataset: dict(type='MultiImageMixDataset', dataset=dataset, pipeline=[]),
        lambda dataset: dict(
            type='RepeatDataset',
            times=2,
            dataset=dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=dataset),
        ),
    ],
)
def test_wrapped_datasets(refused, check, config, content, wrap):
    config.train_dataloader.dataset = wrap(config.train_dataloader.dataset.to_dict())
    check(content)
    content['annotations'][0]['image_id'] = 77
    assert 'not in images' in refused(content)


@pytest.mark.parametrize(
    'change',
    [
        dict(type='CocoPanopticDataset'),
        dict(type='LVISV1Dataset'),
        dict(type='VOCDataset'),
        dict(backend_args=dict(backend='petrel')),
        dict(data_root='s3://bucket/'),
    ],
)
def test_other_formats_and_places_are_not_checked(check, config, change):
    config.train_dataloader.dataset.update(change)
    check('not JSON')


def test_test_set_without_annotations(config, content, tmp_path):
    config.test_dataloader = config.val_dataloader
    del content['annotations']
    (tmp_path / 'val.json').write_text(json.dumps(content))
    check_datasets(config, ('test',))
    with pytest.raises(AnnotationError, match='not COCO format'):
        check_datasets(config, ('val',))


def test_only_the_first_process_checks(check, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    check('not JSON')


def assert_matches(text: str, pattern: str) -> None:
    assert re.search(pattern, text, re.DOTALL), text


def test_annotations_without_masks_are_refused_if_the_pipeline_loads_masks(
    config, check, refused, content
):
    config.pop('val_dataloader')
    config.train_dataloader.dataset.pipeline = [dict(type='LoadAnnotations', with_mask=True)]
    for annotation in content['annotations']:
        annotation['segmentation'] = [[2, 3, 12, 3, 12, 23]]
    check(content)
    del content['annotations'][1]['segmentation']
    content['annotations'][3]['segmentation'] = []
    message = refused(content)
    assert "2 of 4 annotations have no mask ('segmentation')" in message
    assert 'with_mask=True: id 1 of image 2, id 3 of image 2' in message
    content['categories'][1]['name'] = 'dish'  # both are of a category that is no class
    content['categories'].append(dict(id=7, name='plate'))
    check(content)


def test_annotation_id_0_is_warned_about_where_it_is_evaluated(check, config, content, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'alrp_mmdet.datasets.check.print_log', lambda text, **_: logged.append(text)
    )
    check(content)
    assert not logged  # nothing is evaluated
    config.val_evaluator = dict(type='SomeMetric')
    check(content)
    [text] = logged
    assert_matches(text, r'val\.json: annotation id 0 \(id 0 of image 1\).*pycocotools')


@pytest.mark.parametrize(
    'key, values',
    [
        ('annotations', dict(area='210')),
        ('annotations', dict(iscrowd='0')),
        ('annotations', dict(ignore='false')),
        ('annotations', dict(image_id='1')),
        ('images', dict(width='64')),
        ('images', dict(height=None)),
    ],
)
def test_repairable_values_name_new_project(refused, content, key, values):
    content[key][0].update(values)
    message = refused(content)
    assert_matches(message, f'{next(iter(values))}.*alrp new-project.*1x: id')


@pytest.mark.parametrize('key, name', [('images', 'height'), ('annotations', 'area')])
def test_missing_values_name_new_project(refused, content, key, name):
    del content[key][0][name]
    assert_matches(refused(content), f"alrp new-project.*no '{name}' in {key}")


def test_whole_floats_pass(check, content):
    for key in ('images', 'annotations', 'categories'):
        for entry in content[key]:
            entry.update({k: float(v) for k, v in entry.items() if k.endswith(('id', 'iscrowd'))})
    check(content)


def test_file_that_cannot_be_read(config, refused, content):
    config.train_dataloader.dataset.ann_file = 'val.json/train.json'
    assert_matches(refused(content), 'val.json/train.json:\n.*Not a directory')


@pytest.mark.parametrize(
    'mask', [[1, 2, 9, 2, 9, 9], [['1', 2, 9, 2, 9, 9]], dict(counts=[9]), 'abc']
)
def test_malformed_masks(refused, config, content, mask):
    for annotation in content['annotations']:
        annotation['segmentation'] = [[1, 2, 9, 2, 9, 9]]
    content['annotations'][2]['segmentation'] = mask
    config.train_dataloader.dataset.pipeline = [dict(type='LoadAnnotations', with_mask=True)]
    assert_matches(refused(content), "1 of 4 .*'segmentation': id 2 of image 1")


def test_supercategory_of_any_type(check, content):
    for category in content['categories']:
        category['supercategory'] = ['parts']
    check(content)


def test_root_category_is_warned_about(check, config, content, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'alrp_mmdet.datasets.check.print_log', lambda text, **_: logged.append(text)
    )
    content['categories'].insert(0, dict(id=0, name='parts', supercategory='none'))
    for category in content['categories'][1:]:
        category['supercategory'] = 'parts'
    config.pop('val_dataloader')
    config.train_dataloader.dataset.metainfo = dict(classes=('parts', 'cell', 'plate'))
    config.model = dict()
    check(content)
    [text] = logged
    assert_matches(text, "'parts'.*supercategory of all others")


@pytest.mark.parametrize(
    'box, named', [([0.1, 0.2, 0.5, 0.25], 'fractions'), ([30, 20, 60, 47], '[x1, y1, x2, y2]')]
)
def test_boxes_that_are_not_in_pixels(refused, content, box, named):
    for annotation in content['annotations']:
        annotation['bbox'] = box
    message = refused(content)
    assert named in message
    assert message.count('\n  - ') == 1
