"""Reading COCO-format files: structure, wrong kinds of file, and the problems of entries."""

import json
import pickle

import pytest

from alrp.coco import (
    ANYTHING,
    ID,
    NUMBER,
    TEXT,
    CocoFormatError,
    Entries,
    Fields,
    read_annotations,
    read_results,
)

SCHEMA = dict(
    images=Fields(required=dict(id=ID), optional=dict(file_name=TEXT)),
    annotations=Fields(required=dict(id=ID, bbox=ANYTHING), optional=dict(area=NUMBER)),
)
RESULT = Fields(dict(image_id=ANYTHING, score=NUMBER))


@pytest.fixture
def content():
    return dict(
        images=[dict(id=1, file_name='1.jpg'), dict(id='b')],
        annotations=[dict(id=5, image_id=1, bbox=[1, 2, 3, 4.5], area=9)],
        info=dict(year=2026),
    )


def problems_of(read, *args, **options) -> tuple[str, ...]:
    with pytest.raises(CocoFormatError) as error:
        read(*args, **options)
    return error.value.problems


def test_content_is_returned_unchanged(content, tmp_path):
    assert read_annotations(content, SCHEMA) is content
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    assert read_annotations(path, SCHEMA) == read_annotations(str(path), SCHEMA) == content


def test_all_missing_keys_and_wrong_types_are_listed(content):
    del content['images'][1]['id']
    content['images'][0]['file_name'] = 7
    content['annotations'][0].update(area=float('inf'))
    identifier, name, area = problems_of(read_annotations, content, SCHEMA)
    assert '1 of 2 images' in identifier and "'id'" in identifier
    assert '1 of 2 images' in name and 'file_name' in name and '7 (id 1)' in name
    assert '1 of 1 annotations' in area and 'inf (id 5 of image 1)' in area


@pytest.mark.parametrize('absent', ['missing', None])
def test_only_lists_that_may_lack_are_optional(content, absent):
    del content['annotations']
    if absent is None:
        content['annotations'] = None
    assert read_annotations(content, SCHEMA, may_lack=['annotations']) is content
    [problem] = problems_of(read_annotations, content, SCHEMA)
    assert "'annotations'" in problem and "'images'" not in problem
    content['annotations'] = [7]
    [problem] = problems_of(read_annotations, content, SCHEMA, may_lack=['annotations'])
    assert "'annotations'" in problem


def test_other_annotations_do_not_matter_if_none_are_needed(content):
    content['annotations'] = [dict(caption='a dog')]
    assert read_annotations(content, dict(images=Fields(dict(id=ID)))) is content
    [problem] = problems_of(read_annotations, content, SCHEMA)
    assert 'captions' in problem and "'bbox'" in problem


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.json'):
        read_annotations(tmp_path / 'nowhere.json', SCHEMA)
    with pytest.raises(IsADirectoryError):
        read_annotations(tmp_path, SCHEMA)
    path = tmp_path / 'cut.json'
    path.write_text('[{"image_id": 1,')
    with pytest.raises(CocoFormatError, match='not JSON') as error:
        read_results(path, RESULT)
    assert error.value.where == str(path) and str(path) in str(error.value)


def test_results():
    entries = [dict(image_id=1, score=0.5), dict(image_id=[], score=2)]
    results = read_results(entries, RESULT)
    assert results.entries is entries and results.values('score') == [0.5, 2]
    assert read_results([], RESULT).values('score') == []
    [problem] = problems_of(read_results, [dict(image_id=1)], RESULT)
    assert '1 of 1 results' in problem and "'score'" in problem and 'entry 0' in problem
    [problem] = problems_of(read_results, dict(images=[]), RESULT)
    assert 'image_id, score' in problem and 'ground truth' in problem


def test_error_survives_pickling():
    error = CocoFormatError('a.json', ['one', 'two'])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problems) == ('a.json: one; two', ('one', 'two'))


def test_problems_of_entries():
    entries = Entries(
        [
            dict(id=1, image_id=9, bbox=(1, 2, 3, 4)),
            dict(id=1, image_id=7, bbox=[1, 2, 3, None]),
            dict(image_id=[], bbox='1234', read_from='a.xml:3'),
            dict(id=2),
        ],
        'annotations',
    )
    [problem] = entries.shared_ids()
    assert problem.startswith('1 id is shared by several annotations') and problem.endswith(': 1')
    [problem] = entries.missing_keys(['image_id'])
    assert "1 of 4 annotations has no 'image_id'" in problem and 'id 2 of image None' in problem
    [problem] = entries.unknown_references('image_id', {9}, 'images')
    assert all(x in problem for x in ('2 of 4', '7 (id 1 of image 7)', '[] (a.xml:3)', 'images'))
    [problem] = entries.malformed_boxes()
    assert all(x in problem for x in ('2 of 4', '[1, 2, 3, None] (id 1', "'1234' (a.xml:3)"))
    assert entries.missing_keys([]) == entries.wrong_types(dict(id=ID)) == []


def test_large_numbers_that_are_finite_are_accepted():
    """Their sum is not finite, which is only a reason to look at each of them."""
    entries = Entries([dict(area=1e308)] * 3 + [dict(area=10**400)], 'annotations')
    [problem] = entries.wrong_types(dict(area=NUMBER))
    assert '1 of 4 annotations' in problem and 'entry 3' in problem
    assert Entries([dict(area=1e308)] * 3, 'annotations').wrong_types(dict(area=NUMBER)) == []


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 10**400])
def test_ids_are_finite(value):
    [problem] = Entries([dict(id=1), dict(id=value)], 'images').wrong_types(dict(id=ID))
    assert '1 of 2 images' in problem and repr(value) in problem
    assert Entries([dict(id=1), dict(id='b')], 'images').wrong_types(dict(id=ID)) == []
