"""tools/infer.py: images, folders, videos and errors."""

import csv
import functools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import alrp_mmdet  # noqa: F401 - registers
from alrp.lrp import evaluate_lrp
from alrp_mmdet.deploy.detector import Detector
from alrp_mmdet.deploy.video import VideoFile

CLASSES = ('square', 'disc')


@pytest.fixture
def checkpoint(config) -> Path:
    """A checkpoint of the tiny config in a work dir, as training leaves it."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    cfg = Config.fromfile(config)
    model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.3)
    work_dir = config.parent / 'run'
    work_dir.mkdir()
    path = work_dir / 'epoch_1.pth'
    torch.save(
        dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(CLASSES=CLASSES))), path
    )
    shutil.copy(config, work_dir / 'tiny.py')
    (work_dir / 'last_checkpoint').write_text(str(path))
    return path


@pytest.fixture
def infer(script, config):
    """Runs the tool in the folder of the config and its images."""
    return functools.partial(script, 'infer.py')


def read(path: Path):
    return json.loads(path.read_text())


def video(path: Path, num_frames: int, codec: str = 'mp4v') -> Path:
    """A video of the images of the config."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 64))
    for i in range(num_frames):
        writer.write(cv2.imread(str(path.parent / f'{i % 8}.png')))
    writer.release()
    return path


def test_results_and_pictures_of_images_in_folders(infer, config, checkpoint, tmp_path):
    for i, folder in enumerate(('one', 'two', 'two/deep')):
        (tmp_path / folder).mkdir()
        shutil.copy(tmp_path / f'{i}.png', tmp_path / folder / 'same.png')
    (tmp_path / 'one' / 'a.jpg').write_text('not a picture')
    (tmp_path / 'one' / 'b.jpg').touch()
    with pytest.raises(SystemExit) as stopped:
        infer('one', 'two', checkpoint, '--out', 'out', '--score-thr', '0.05', '--batch-size', 2)
    problems = str(stopped.value).splitlines()  # a message exits with status 1
    assert len(problems) == 2 and all(line.startswith('error: ') for line in problems)
    assert 'a.jpg' in problems[0] and 'b.jpg' in problems[1]

    described = read(tmp_path / 'out' / 'images.json')
    names = ['one/same.png', 'two/deep/same.png', 'two/same.png']
    assert [image['file_name'] for image in described['images']] == names
    assert [image['id'] for image in described['images']] == [3, 4, 5]
    assert described['categories'] == [dict(id=1, name='square'), dict(id=2, name='disc')]
    results = read(tmp_path / 'out' / 'detections.json')
    model = init_detector(str(config), str(checkpoint), device='cpu')
    for name, image_id in zip(names, (3, 4, 5)):
        found = inference_detector(model, str(tmp_path / name)).pred_instances.numpy()
        found = found[found.scores >= 0.05]
        ours = [result for result in results if result['image_id'] == image_id]
        assert len(ours) == len(found) > 2
        x, y, width, height = np.array([result['bbox'] for result in ours]).T
        np.testing.assert_allclose(
            np.stack([x, y, x + width, y + height], axis=1), found.bboxes, atol=1e-3
        )
        assert [result['category_id'] for result in ours] == (found.labels + 1).tolist()
        np.testing.assert_allclose([result['score'] for result in ours], found.scores, atol=1e-5)
        drawn = cv2.imread(str(tmp_path / 'out' / 'drawn' / name))
        assert drawn.shape == (64, 64, 3)
        assert not np.array_equal(drawn, cv2.imread(str(tmp_path / name)))


def test_csv_of_detections_above_the_thresholds(infer, checkpoint, tmp_path):
    (tmp_path / 'least.json').write_text('{"thresholds": {"square": null, "disc": 0}}')
    args = '0.png', '1.png', checkpoint, '--out', 'out', '--format', 'csv', '--no-pictures'
    infer(*args, '--thresholds', 'least.json')
    with (tmp_path / 'out' / 'detections.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert {row['file'] for row in rows} == {'0.png', '1.png'}
    assert {row['class'] for row in rows} == {'disc'}
    assert all(float(row['x1']) <= float(row['x2']) and row['frame'] == '' for row in rows)
    assert not (tmp_path / 'out' / 'drawn').exists()


def test_calibrated_scores(infer, checkpoint, calibration, tmp_path):
    def scores(*options) -> list[float]:
        infer('0.png', checkpoint, '--out', 'out', '--no-pictures', '--force', *options)
        found = [entry['score'] for entry in read(tmp_path / 'out' / 'detections.json')]
        return sorted(found, reverse=True)

    raw = scores('--score-thr', 0)
    calibrated = [0.5 + 0.5 * score for score in raw]
    median = calibrated[len(raw) // 2] - 1e-6
    common = '--calibration', calibration
    assert scores(*common, '--score-thr', 0) == pytest.approx(calibrated, abs=1e-9)
    kept = scores(*common, '--score-thr', median)
    assert kept == pytest.approx([x for x in calibrated if x >= median], abs=1e-9)
    assert 0 < len(kept) < len(raw)
    # Thresholds are for the scores of the model: none is above 1.
    (tmp_path / 'least.json').write_text('{"thresholds": {"square": 0, "disc": 0}}')
    assert len(scores(*common, '--thresholds', 'least.json')) == len(raw)
    middle = raw[len(raw) // 2]
    thresholds = dict(thresholds=dict(square=middle, disc=middle))
    (tmp_path / 'least.json').write_text(json.dumps(thresholds))
    assert len(scores(*common, '--thresholds', 'least.json')) == sum(x >= middle for x in raw)


def test_results_with_ids_of_an_annotation_file_can_be_evaluated(infer, checkpoint, tmp_path):
    content = read(tmp_path / 'annotations.json')
    for image in content['images']:
        image['id'] += 100
    for annotation in content['annotations']:
        annotation['image_id'] += 100
        annotation['category_id'] = 9 - annotation['category_id']
    content['categories'] = [dict(id=8, name='square'), dict(id=7, name='disc')]
    (tmp_path / 'others.json').write_text(json.dumps(content))
    images = [f'{i}.png' for i in range(8)]
    common = '--score-thr', 0, '--no-pictures', '--ann-file'
    summaries = []
    for ann_file in ('annotations.json', 'others.json'):
        infer(*images, checkpoint, '--out', ann_file[:3], *common, ann_file)
        results = tmp_path / ann_file[:3] / 'detections.json'
        summaries.append(evaluate_lrp(str(tmp_path / ann_file), str(results)).summary)
    assert summaries[0] == pytest.approx(summaries[1])
    assert {result['category_id'] for result in read(results)} == {7, 8}


def test_damaged_videos_are_read_up_to_the_damage(infer, checkpoint, tmp_path, capsys):
    video(tmp_path / 'whole.mp4', 5)
    content = video(tmp_path / 'cut.avi', 12, 'MJPG').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(content[: len(content) // 2])
    (tmp_path / 'bad.mp4').write_text('no video')
    inputs = 'whole.mp4', 'cut.avi', 'bad.mp4', '7.png'
    with pytest.raises(SystemExit, match=r'^error: [^\n]*bad\.mp4[^\n]*$'):
        infer(*inputs, checkpoint, '--out', 'out', '--batch-size', 2, '--score-thr', 0.05)
    warnings = [line for line in capsys.readouterr().err.splitlines() if 'warning' in line]
    described = read(tmp_path / 'out' / 'images.json')
    whole, cut = described['videos']
    assert whole == dict(file_name='whole.mp4', fps=10.0, num_frames=5)
    assert 0 < cut['num_frames'] < 12
    [warning] = warnings
    assert f'{cut["num_frames"]} of 12 frames' in warning and 'cut.avi' in warning
    frames = [i for i in described['images'] if i['file_name'] == 'whole.mp4']
    assert [frame['frame'] for frame in frames] == [0, 1, 2, 3, 4]
    results = read(tmp_path / 'out' / 'detections.json')
    ids = [image['id'] for image in described['images']]
    assert len(set(ids)) == len(ids) and {result['image_id'] for result in results} <= set(ids)
    for name, num_frames in (('whole.mp4', 5), ('cut.avi.mp4', cut['num_frames'])):
        capture = cv2.VideoCapture(str(tmp_path / 'out' / 'drawn' / name))
        assert capture.get(cv2.CAP_PROP_FPS) == 10
        read_frames = 0
        while capture.read()[0]:
            read_frames += 1
        assert read_frames == num_frames
    assert not list((tmp_path / 'out').rglob('*partial*'))


def test_an_interrupted_video_leaves_no_file(infer, checkpoint, tmp_path, monkeypatch):
    video(tmp_path / 'a.mp4', 4)
    add = VideoFile.add

    def interrupted(self, frame):
        add(self, frame)
        raise KeyboardInterrupt

    monkeypatch.setattr(VideoFile, 'add', interrupted)
    with pytest.raises(SystemExit) as stopped:
        infer('a.mp4', checkpoint, '--out', 'out')
    assert stopped.value.code == 130
    assert list((tmp_path / 'out' / 'drawn').iterdir()) == []


def test_nothing_is_overwritten_without_force(infer, checkpoint, tmp_path):
    infer('0.png', checkpoint, '--out', 'out')
    before = (tmp_path / 'out' / 'detections.json').read_bytes()
    with pytest.raises(SystemExit, match=r'out is not empty.*--force'):
        infer('1.png', checkpoint, '--out', 'out')
    assert (tmp_path / 'out' / 'detections.json').read_bytes() == before
    infer('1.png', checkpoint, '--out', 'out', '--score-thr', 0, '--force')
    assert (tmp_path / 'out' / 'detections.json').read_bytes() != before
    with pytest.raises(SystemExit, match=r'overwrite the input .*0\.png'):
        infer('out/drawn/0.png', checkpoint, '--out', 'out', '--force')


def test_drawings_keep_the_colours_of_the_image(config, checkpoint):
    detector = Detector(Config.fromfile(config), str(checkpoint), 'cpu')
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[..., 0] = 250  # blue
    [sample] = detector.detect([detector.load(image)])
    assert np.array_equal(detector.draw(image, sample.new(data=dict())), image)
    sample.pred_instances = sample.pred_instances[:0]
    assert np.array_equal(detector.draw(image, sample), image)


def test_code_in_a_checkpoint_is_not_run(infer, checkpoint, tmp_path):
    lonely = tmp_path / 'elsewhere' / 'model.pth'
    lonely.parent.mkdir()
    content = torch.load(checkpoint)
    text = f'open({str(tmp_path / "ran")!r}, "w")\n'
    content['meta']['cfg'] = content['meta']['config'] = text
    content['message_hub'] = dict(runtime_info=dict(cfg=text))
    torch.save(content, lonely)
    (lonely.parent / 'setup.py').write_text(text)
    with pytest.raises(SystemExit, match=r'--config: .*elsewhere is not a work dir'):
        infer('0.png', lonely, '--out', 'out')
    infer('0.png', lonely, '--out', 'out', '--config', 'tiny.py')
    assert not (tmp_path / 'ran').exists()


def test_checkpoint_without_class_names(infer, checkpoint, tmp_path):
    torch.save(torch.load(checkpoint)['state_dict'], checkpoint)
    infer('0.png', checkpoint, '--out', 'out', '--no-pictures')
    categories = read(tmp_path / 'out' / 'images.json')['categories']
    assert tuple(category['name'] for category in categories) == CLASSES


@pytest.mark.parametrize(
    'args, message',
    [
        (['gone.png', 'run/epoch_1.pth'], 'image, video or folder: gone.png'),
        (['empty', 'run/epoch_1.pth'], 'no images .* or videos .* folder empty'),
        (['0.png', 'gone.pth'], 'checkpoint gone.pth'),
        (['0.png', 'run/epoch_1.pth', '--config', 'gone.py'], 'config.* gone.py'),
        (['0.png', 'run/epoch_1.pth', '--config', 'broken.py'], 'config broken.py .*SyntaxError'),
        (['0.png', 'run/epoch_1.pth', '--config', 'none.py'], 'none.py .*model'),
        (['0.png', 'run/epoch_1.pth', '--config', 'odd.py'], 'cannot build the model.*NoSuchNet'),
        (
            ['0.png', 'run/epoch_1.pth', '--config', 'wrong.py'],
            'cannot build the model.*delta.* -1',
        ),
        (['0.png', 'run/epoch_1.pth', '--config', 'deep.py'], 'epoch_1.pth .*cls_convs'),
        (['0.png', '1.png', '--config', 'tiny.py'], 'cannot read .*1.png'),
        (['0.png', 'cut.pth', '--config', 'tiny.py'], 'cannot read .*cut.pth'),
        (['0.png', 'run/epoch_1.pth', '--thresholds', 'gone.json'], 'no such file: gone.json'),
        (['0.png', 'run/epoch_1.pth', '--calibration', 'gone.json'], 'no such file: gone.json'),
        (['0.png', 'run/epoch_1.pth', '--device', 'abacus'], 'device abacus'),
        (['0.png', 'run/epoch_1.pth', '--ann-file', 'gone.json'], 'no such file: gone.json'),
        (['0.png', 'run/epoch_1.pth', '--ann-file', 'run'], 'cannot read run: '),
        (['0.png', 'run/epoch_1.pth', '--out', '0.png'], '0.png is not a folder'),
        (
            ['v.mp4', 'run/epoch_1.pth', '--ann-file', 'annotations.json'],
            'annotations.json .*video',
        ),
    ],
)
def test_wrong_command(infer, config, checkpoint, tmp_path, args, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'v.mp4').touch()
    (tmp_path / 'cut.pth').write_bytes(checkpoint.read_bytes()[:5000])
    (tmp_path / 'broken.py').write_text('model = (')
    (tmp_path / 'none.py').write_text('a = 1')
    base = "_base_ = './tiny.py'\n"
    (tmp_path / 'odd.py').write_text(base + "model = dict(type='NoSuchNet')")
    wrong = 'model = dict(bbox_head=dict(loss_cls=dict(delta=-1)))'
    (tmp_path / 'wrong.py').write_text(base + wrong)
    (tmp_path / 'deep.py').write_text(base + 'model = dict(bbox_head=dict(stacked_convs=2))')
    with pytest.raises(SystemExit, match=f'error: .*{message}') as stopped:
        infer('--out', 'out', *args)
    assert '\n' not in str(stopped.value)
    assert not (tmp_path / 'out').exists()


def test_several_configs_in_a_work_dir(infer, checkpoint):
    (checkpoint.parent / 'other.py').write_text('a = 1')
    with pytest.raises(SystemExit, match=r'--config: run has several configs \(other.py, tiny'):
        infer('0.png', 'run/epoch_1.pth', '--out', 'out')
