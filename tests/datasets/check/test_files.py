import json
import re

import pytest

from alrp_mmdet.datasets.check import AnnotationError, check_datasets


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
    assert re.search(message, refused(text))


@pytest.mark.parametrize('key, of', [('image_id', 'images'), ('category_id', 'categories')])
def test_unknown_reference(refused, content, key, of):
    content['annotations'][3][key] = 77
    assert re.search(rf'1 of 4 annotations .*{key}.* in {of}: 77 \(id 3 of image', refused(content))


def test_shared_ids(refused, content):
    content['annotations'][3]['id'] = 0
    content['images'][1]['id'] = 1
    message = refused(content)
    assert re.search(r'1 id is shared by several images: 1\n', message)
    assert re.search(r'1 id is shared by several annotations: 0\n', message)


def test_images_listed_twice(refused, content):
    content['images'][1]['file_name'] = './1.jpg'
    assert re.search(r'1 image is listed more than once.*: 1\.jpg', refused(content))


def test_image_without_a_name(refused, content):
    del content['images'][1]['file_name']
    assert re.search("1 image has no 'file_name', 'height' or 'width', ids 2", refused(content))


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


def test_dropped_boxes_and_ignored_categories_are_logged(check, content, logged):
    content['annotations'][0]['bbox'] = [2, 3, 0.5, 20]
    content['categories'].append(dict(id=3, name='dust'))
    check(content)
    boxes, categories = logged  # always in this order
    assert re.search(r'train\.json: .*dropped.*\b1 box narrower than a pixel', boxes)
    assert re.search(r'train\.json: .*categories.*: dust$', categories)


def test_forgotten_folder_of_images(refused, config, content):
    del config.train_dataloader.dataset['data_prefix']
    assert 'data_prefix=dict(img=' in refused(content)


def test_missing_images(refused, content):
    content['images'].append(dict(id=3, file_name='deep/3.jpg', width=64, height=48))
    assert re.search('1 of 3 images is not in .*images/: deep/3.jpg', refused(content))


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


def test_annotation_id_0_is_warned_about_where_it_is_evaluated(check, config, content, logged):
    check(content)
    assert not logged  # nothing is evaluated
    config.val_evaluator = dict(type='SomeMetric')
    check(content)
    [text] = logged
    assert re.search(r'val\.json: annotation id 0 \(id 0 of image 1\).*pycocotools', text)


def test_file_that_cannot_be_read(config, refused, content):
    config.train_dataloader.dataset.ann_file = 'val.json/train.json'
    assert re.search('val.json/train.json:\n.*Not a directory', refused(content))
