"""tools/new_project.py --masks."""

import json
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_writers import add_triangles, make_coco, write_coco
from mmdet.registry import DATASETS
from mmengine.config import Config

from alrp_mmdet.project.formats import Split
from alrp_mmdet.project.preview import draw_annotations

TOOLS = Path(__file__).parents[2] / 'tools'
SHRUNK = """
image_scale = train_pipeline[2]['scale'] = test_pipeline[1]['scale'] = (64, 64)
model['backbone'] = dict(depth=18, init_cfg=None)
model['neck'] = dict(in_channels=[64, 128, 256, 512], out_channels=16)
model['rpn_head'].update(in_channels=16, feat_channels=16)
roi_head = model['roi_head']
roi_head.update(
    bbox_roi_extractor=dict(out_channels=16), mask_roi_extractor=dict(out_channels=16)
)
roi_head['bbox_head'].update(in_channels=16, fc_out_channels=16)
roi_head['mask_head'].update(in_channels=16, conv_out_channels=16)
model['train_cfg'] = dict(rpn_proposal=dict(max_per_img=50))
model['test_cfg'] = dict(rpn=dict(max_per_img=50), rcnn=dict(score_thr=0.0, max_per_img=10))
train_dataloader['num_workers'] = val_dataloader['num_workers'] = 0
val_dataloader['persistent_workers'] = False
train_cfg['max_epochs'] = 1
"""


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


@pytest.mark.slow
def test_printed_commands_run_with_masks(command, source, tmp_path):
    add_triangles(source)
    args = source, '--out', 'bolts', '--masks', '--loss', 'rs', '--val-fraction', '.5'
    result = command(sys.executable, TOOLS / 'new_project.py', *args)
    assert result.returncode == 0, result.stderr
    config = tmp_path / 'bolts' / 'rs_mask-rcnn_bolts.py'
    config.write_text(config.read_text() + SHRUNK)
    (tmp_path / 'photos').mkdir()
    shutil.copy(tmp_path / 'images' / '0_3.png', tmp_path / 'photos')
    outputs = []
    for line in re.findall(r'^  python (.*)', result.stdout, re.MULTILINE):
        outputs.append(command('bash', '-c', f'{sys.executable} {line}'))
        assert outputs[-1].returncode == 0, outputs[-1].stderr
    assert len(outputs) == 5
    assert 'loss_mask' in outputs[0].stdout and 'loss_sort' in outputs[0].stdout
    assert 'coco/bbox_oLRP' in outputs[1].stdout and 'coco/segm_oLRP' in outputs[1].stdout
    assert cv2.imread(str(tmp_path / 'bolts' / 'detections.png')).std() > 5
    [best] = (tmp_path / 'bolts' / 'work_dir').glob('best_*.pth')
    args = 'images/0_3.png', best, '--out', 'found', '--score-thr', 0, '--config', config
    result = command(sys.executable, TOOLS / 'infer.py', *args)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / 'found' / 'detections.json').read_text())
    assert found and all(entry['segmentation']['size'] == [90, 50] for entry in found)
