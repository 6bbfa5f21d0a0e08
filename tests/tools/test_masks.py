"""Tools with a Mask R-CNN: results, pictures and thresholds have masks."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config
from pycocotools import mask as mask_api

import alrp_mmdet  # noqa: F401 - registers
from alrp.lrp import evaluate_lrp
from alrp_mmdet.deploy import Detector, ExportError, RawDetector
from alrp_mmdet.deploy.inputs import InputError


def read(path: Path):
    return json.loads(path.read_text())


def test_results_have_the_masks_of_the_model(script, mask_config, mask_checkpoint, tmp_path):
    args = '0.png', '1.png', mask_checkpoint, '--out', 'out', '--score-thr', '0.3'
    script('infer.py', *args, '--batch-size', 2)
    results = read(tmp_path / 'out' / 'detections.json')
    model = init_detector(str(mask_config), str(mask_checkpoint), device='cpu')
    for image_id, name in enumerate(('0.png', '1.png'), 1):
        found = inference_detector(model, str(tmp_path / name)).pred_instances.numpy()
        found = found[found.scores >= 0.3]
        ours = [result for result in results if result['image_id'] == image_id]
        assert len(ours) == len(found) > 2
        masks = np.stack([mask_api.decode(result['segmentation']) for result in ours])
        assert masks.shape == (len(found), 64, 64) and 0 < masks.mean() < 1
        assert (masks.astype(bool) != found.masks).mean() < 1e-3
        for result in ours:
            assert len(result['bbox']) == 4
        drawn = cv2.imread(str(tmp_path / 'out' / 'drawn' / name))
        assert drawn.shape == (64, 64, 3)


def test_results_of_a_detector_without_boxes(script, solov2_checkpoint, tmp_path):
    args = '0.png', solov2_checkpoint, '--config', 'solov2.py', '--score-thr', 0
    script('infer.py', *args, '--out', 'out')
    results = read(tmp_path / 'out' / 'detections.json')
    config = str(tmp_path / 'solov2.py')
    model = init_detector(config, str(solov2_checkpoint), device='cpu')
    found = inference_detector(model, str(tmp_path / '0.png')).pred_instances.numpy()
    assert len(results) == len(found) > 2
    boxes = []
    for result, truth in zip(results, found.masks):
        mask = mask_api.decode(result['segmentation'])
        assert (mask.astype(bool) != truth).mean() < 1e-3 and 0 < mask.mean() < 1
        rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
        x1, y1, x2, y2 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        assert result['bbox'] == [x1, y1, x2 - x1, y2 - y1]
        boxes.append([x1, y1, x2, y2])
    assert cv2.imread(str(tmp_path / 'out' / 'drawn' / '0.png')).shape == (64, 64, 3)
    script('infer.py', *args, '--out', 'table', '--no-pictures', '--format', 'csv')
    _, *rows = (tmp_path / 'table' / 'detections.csv').read_text().splitlines()
    assert [[float(x) for x in row.split(',')[3:7]] for row in rows] == boxes


def test_masks_of_a_video(script, mask_checkpoint, tmp_path):
    writer = cv2.VideoWriter(
        str(tmp_path / 'film.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 64)
    )
    for i in range(3):
        writer.write(cv2.imread(str(tmp_path / f'{i}.png')))
    writer.release()
    script('infer.py', 'film.mp4', mask_checkpoint, '--out', 'out', '--score-thr', '0.3')
    results = read(tmp_path / 'out' / 'detections.json')
    assert {result['image_id'] for result in results} == {1, 2, 3}
    assert all(result['segmentation']['size'] == [64, 64] for result in results)
    assert (tmp_path / 'out' / 'drawn' / 'film.mp4').stat().st_size


def test_no_detections(script, mask_checkpoint, tmp_path):
    script('infer.py', '0.png', mask_checkpoint, '--out', 'out', '--score-thr', 2)
    assert read(tmp_path / 'out' / 'detections.json') == []
    drawn = cv2.imread(str(tmp_path / 'out' / 'drawn' / '0.png'))
    assert np.array_equal(drawn, cv2.imread(str(tmp_path / '0.png')))


def test_csv_has_boxes_only(script, mask_checkpoint, tmp_path):
    args = '0.png', mask_checkpoint, '--out', 'out', '--score-thr', 0, '--no-pictures'
    script('infer.py', *args, '--format', 'csv')
    head, *rows = (tmp_path / 'out' / 'detections.csv').read_text().splitlines()
    assert head == 'file,class,score,x1,y1,x2,y2,frame' and len(rows) > 2


def test_pictures_show_masks(mask_config, mask_checkpoint):
    detector = Detector(Config.fromfile(mask_config), str(mask_checkpoint), 'cpu')
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    [sample] = detector.detect([detector.load(image)])
    sample.pred_instances = found = sample.pred_instances[:1]
    found.bboxes, found.masks = torch.tensor([[10.0, 10, 190, 190]]), torch.zeros(1, 200, 200) > 0
    inside, outside = (slice(152, 178), slice(102, 168)), (slice(152, 178), slice(30, 90))
    assert not detector.draw(image, sample)[inside].any()
    found.masks[0, 150:180, 100:170] = True
    drawn = detector.draw(image, sample)
    assert drawn[inside].any(axis=-1).all() and not drawn[outside].any()


def test_lrp_of_masks(script, mask_checkpoint, tmp_path):
    pytest.importorskip('plotly')
    images = [f'{i}.png' for i in range(8)]
    common = '--score-thr', 0, '--no-pictures', '--ann-file', 'annotations.json'
    script('infer.py', *images, mask_checkpoint, '--out', 'out', *common)
    args = 'annotations.json', 'out/detections.json', '--iou-type'
    for iou_type, word in (('bbox', 'boxes'), ('segm', 'masks')):
        script('analysis/lrp.py', *args, iou_type, '--json', f'{iou_type}.json')
        expected = evaluate_lrp(
            str(tmp_path / 'annotations.json'), str(tmp_path / 'out/detections.json'), iou_type
        )
        assert read(tmp_path / f'{iou_type}.json')['summary'] == pytest.approx(
            expected.to_dict()['summary']
        )
        script('analysis/lrp.py', *args, iou_type, '--html', f'{iou_type}.html')
        assert f'<span>{word}</span>' in (tmp_path / f'{iou_type}.html').read_text()
    boxes, masks = (read(tmp_path / f'{name}.json')['summary'] for name in ('bbox', 'segm'))
    assert boxes != masks


def test_thresholds_drop_boxes_and_masks_together(tool, mask_config, mask_checkpoint, tmp_path):
    dumps, cut = [], {}
    for name in ('all', 'best'):
        options = () if name == 'all' else ('--thresholds', 'least.json')
        prefix = f'test_evaluator.outfile_prefix={name}'
        tool(
            'test.py',
            mask_config,
            mask_checkpoint,
            '--work-dir',
            'run',
            '--out',
            f'{name}.pkl',
            *options,
            options=(prefix,),
        )
        with (tmp_path / f'{name}.pkl').open('rb') as file:
            dumps.append([image['pred_instances'] for image in pickle.load(file)])
        entries = [read(tmp_path / f'{name}.{kind}.json') for kind in ('bbox', 'segm')]
        keys = [[(e['image_id'], e['category_id'], e['score']) for e in part] for part in entries]
        assert keys[0] == keys[1]
        if name == 'all':
            scores = {label: sorted(k[2] for k in keys[0] if k[1] == label) for label in (1, 2)}
            cut = {label: values[len(values) // 2] for label, values in scores.items()}
            content = dict(thresholds=dict(square=cut[1], disc=cut[2]))
            (tmp_path / 'least.json').write_text(json.dumps(content))
            kept = [key for key in keys[0] if key[2] >= cut[key[1]]]
            assert 0 < len(kept) < len(keys[0])
        else:
            assert [key[:2] for key in keys[1]] == [key[:2] for key in kept]
    for whole, left in zip(*dumps):
        assert len(left['masks']) == len(left['scores']) <= len(whole['scores'])


def test_detections_are_drawn_with_masks(
    script, mask_config, mask_checkpoint, tmp_path, monkeypatch
):
    common = mask_config, mask_checkpoint, '--device', 'cpu', '--num-images', 1, '--score-thr', '.3'
    script('analysis/draw_detections.py', *common, '--out', 'masks.png')

    def without_masks(*args):
        sample = inference_detector(*args)
        assert sample.pred_instances.masks.any()
        sample.pred_instances.masks[:] = False
        return sample

    monkeypatch.setattr('mmdet.apis.inference_detector', without_masks)
    script('analysis/draw_detections.py', *common, '--out', 'with.png')
    filled, empty = (cv2.imread(str(tmp_path / f'{name}.png')) for name in ('masks', 'with'))
    assert (filled != empty).any(axis=-1).mean() > 0.1  # an area, not a line
    content = read(tmp_path / 'annotations.json')
    for annotation in content['annotations']:
        del annotation['segmentation']
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    script('analysis/draw_detections.py', *common, '--out', 'without.png')
    masked, plain = (cv2.imread(str(tmp_path / f'{name}.png')) for name in ('with', 'without'))
    assert masked.shape == plain.shape and (masked != plain).any()  # outlines of the ground truth


def test_export_is_refused(mask_config, mask_checkpoint):
    cfg = Config.fromfile(mask_config)
    model = Detector(cfg, str(mask_checkpoint), 'cpu').model
    with pytest.raises(ExportError, match=r'^MaskRCNN .*one-stage.*RoIAlign'):
        RawDetector(model, cfg, (64, 64))


def test_mask_head_with_another_number_of_classes(mask_config, mask_checkpoint):
    cfg = Config.fromfile(mask_config)
    cfg.model.roi_head.mask_head.num_classes = 5
    content = torch.load(mask_checkpoint)
    for key in ('weight', 'bias'):
        name = f'roi_head.mask_head.conv_logits.{key}'
        value = content['state_dict'][name]
        content['state_dict'][name] = value[:1].repeat(5, *[1] * (value.dim() - 1))
    torch.save(content, mask_checkpoint)
    with pytest.raises(InputError, match=r'mask_head has 5 classes.* 2 '):
        Detector(cfg, str(mask_checkpoint), 'cpu')
