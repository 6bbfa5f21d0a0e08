"""tools/new_project.py --masks."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_writers import add_triangles, make_coco, write_coco
from mmdet.registry import DATASETS
from mmengine.config import Config

from alrp_mmdet.project.formats import Split
from alrp_mmdet.project.preview import draw_annotations


def test_masks_are_resized_and_flipped_with_their_boxes(new_project, source):
    add_triangles(source)
    new_project(source, '--out', 'mine', '--masks', '--loss', 'rs', '--val-fraction', '.2')
    dataset = Config.fromfile('mine/rs_mask-rcnn_mine.py').train_dataloader.dataset
    dataset.pipeline[3].prob = 1.0
    for data in DATASETS.build({**dataset, '_scope_': 'mmdet'}):
        sample = data['data_samples']
        assert sample.flip and sample.scale_factor[0] > 2
        objects = sample.gt_instances
        assert objects.masks.masks.shape[1:] == data['inputs'].shape[1:]
        of_masks = objects.masks.get_bboxes('hbox').tensor
        assert (of_masks - objects.bboxes.tensor).abs().max() < 1.5 * sample.scale_factor[0]
        for mask, box in zip(objects.masks.masks, objects.bboxes.tensor.round().int().tolist()):
            x1, y1, x2, y2 = box  # the right angle is at the upper right now
            assert mask[y1 + 8, x2 - 8] and not mask[y2 - 8, x1 + 8]


def test_masks_need_annotations_with_masks(new_project, source, capsys):
    with pytest.raises(SystemExit, match='error: '):
        new_project(source, '--out', 'mine', '--masks')
    assert re.search(r"\d of \d objects have no mask.*'segmentation'", capsys.readouterr().out)
    with pytest.raises(SystemExit):
        new_project(source, '--out', 'mine', '--masks', '--detector', 'retinanet')
    assert '--detector' in capsys.readouterr().err
    assert not Path('mine').exists()


def test_preview_shows_the_masks(tmp_path):
    content = make_coco(tmp_path)
    source = write_coco(tmp_path, content)
    add_triangles(source)
    content = json.loads(source.read_text())
    pictures = [
        draw_annotations(Split('', content, tmp_path / 'images'), masks) for masks in (False, True)
    ]
    plain, masked = (cv2.imdecode(np.frombuffer(png, np.uint8), 1) for png in pictures)
    assert plain.shape == masked.shape
    assert 0.01 < (plain != masked).any(axis=-1).mean() < 0.5
