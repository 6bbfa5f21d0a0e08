"""Formats that are not read are refused by name, with what to export instead."""

import json
import re

import pytest
from format_writers import make_coco, write_coco, write_voc
from load_helpers import load_warnings

from alrp_mmdet.datasets import AnnotationError
from alrp_mmdet.project.data import load_data
from alrp_mmdet.project.findings import Findings

LABELME = dict(version='5.0.1', flags={}, shapes=[], imagePath='1.jpg', imageData=None)
VIA = {'1.jpg123': dict(filename='1.jpg', size=123, regions=[], file_attributes={})}
LABEL_STUDIO = [dict(id=1, annotations=[], data=dict(image='1.jpg'))]
CREATE_ML = [dict(image='1.jpg', annotations=[])]


@pytest.mark.parametrize(
    'name, content, expected',
    [
        ('1.json', LABELME, 'a LabelMe file'),
        ('via.json', VIA, 'VIA'),
        ('via.json', dict(_via_settings={}, _via_img_metadata=VIA), 'VIA'),
        ('export.json', LABEL_STUDIO, 'a Label Studio file'),
        ('_annotations.createml.json', CREATE_ML, 'CreateML'),
        ('a.csv', 'ImageID,Source,LabelName,Confidence,XMin\n', 'an Open Images CSV file'),
        (
            '_annotations.csv',
            'filename,width,height,class,xmin,ymin,xmax,ymax\n',
            'a CSV file of Roboflow',
        ),
        ('b.csv', 'a;b;c\n', 'CSV'),
        ('output.json', [{'source-ref': 's3://1.jpg'}], 'an AWS Ground Truth file'),
        ('default.json', dict(info={}, items=[], media_type=1), 'Datumaro'),
        ('train.tfrecord', '', 'a TFRecord file'),
        ('out.manifest', '', 'JSON Lines'),
    ],
)
@pytest.mark.parametrize('as_folder', [False, True])
def test_other_formats(tmp_path, name, content, expected, as_folder):
    path = tmp_path / 'data' / name
    path.parent.mkdir()
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(AnnotationError, match=rf'{name} is .*{expected}.*COCO, Pascal VOC or YOLO'):
        load_data(path.parent if as_folder else path)


def test_archives_and_folders_of_coco_files(tmp_path, content):
    (tmp_path / 'data.zip').write_bytes(b'PK')
    with pytest.raises(AnnotationError, match=r'data\.zip .*unpack'):
        load_data(tmp_path / 'data.zip')
    write_coco(tmp_path, content)
    with pytest.raises(AnnotationError, match=r'train\.json'):
        load_data(tmp_path)


@pytest.mark.parametrize(
    'train, val', [('train', 'val'), ('instances_train2017', 'instances_val2017')]
)
def test_annotations_for_validation_next_to_the_source(tmp_path, content, train, val):
    source = write_coco(tmp_path, content, train)
    assert '--val' not in load_warnings(source)
    other = write_coco(tmp_path, make_coco(tmp_path, seed=1), val)
    assert re.search(rf'{val}\.json is not used: --val ', load_warnings(source))
    assert '--val' not in load_warnings(source, val=other) + load_warnings(source, val_fraction=0.2)


def test_folder_for_validation_next_to_the_source(tmp_path, content):
    for name in ('train', 'valid'):
        (tmp_path / name).mkdir()
        write_voc(tmp_path / name, make_coco(tmp_path / name))
    assert re.search(r'valid is not used: --val .*valid', load_warnings(tmp_path / 'train'))


def test_findings_before_an_error_are_not_lost(tmp_path, content):
    write_voc(tmp_path, content)
    file = tmp_path / 'Annotations' / '0_2.xml'
    file.write_text(file.read_text().replace('<difficult>0', '<difficult>Unspecified'))
    (tmp_path / 'empty').mkdir()
    findings = Findings()
    with pytest.raises(AnnotationError, match='empty: no XML'):
        load_data(tmp_path, val=tmp_path / 'empty', findings=findings)
    assert re.search(r"'Unspecified' 0_2\.xml:4", str(findings))
