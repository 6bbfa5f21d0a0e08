"""tools/analysis: training curves and pictures of detections."""

import json
import runpy
from pathlib import Path

import cv2
import matplotlib.figure
import numpy as np
import pytest

ANALYSIS = Path(__file__).parents[2] / 'tools' / 'analysis'


@pytest.fixture
def analyse(script):
    """Runs a script in tools/analysis."""
    return lambda name, *args: script(f'analysis/{name}', *args)


def write_log(work_dir: Path, timestamp: str, entries: list[dict]) -> Path:
    log = work_dir / timestamp / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('\n'.join(json.dumps(entry) for entry in entries))
    return work_dir


def picture_size(picture: Path) -> tuple[int, int]:
    """Height and width in pixels; fails if the picture has a single colour."""
    pixels = cv2.imread(str(picture))
    assert pixels.std() > 5
    return pixels.shape[:2]


ENTRIES = [
    dict(step=10, loss_cls=0.9, loss_bbox=1.0, self_balance=50.0),
    dict(step=20, loss_cls=0.7, loss_bbox=1.2, self_balance=50.0),
    {'step': 1, 'coco/bbox_mAP': 0.25},
]


def test_curves_of_a_run_have_a_panel_for_each_quantity(analyse, tmp_path):
    run = write_log(tmp_path / 'run', '20250101_000000', ENTRIES)
    analyse('plot_curves.py', run, '--out', 'all.png')
    analyse('plot_curves.py', run, '--out', 'one.png', '--keys', 'loss_cls')
    height, width = picture_size(tmp_path / 'all.png')
    single_height, single_width = picture_size(tmp_path / 'one.png')
    assert 1.8 * single_height < height < 2 * single_height  # two rows and a legend
    assert width == pytest.approx(3 * single_width, rel=0.05)


def test_curves_compare_runs(analyse, tmp_path):
    focal = write_log(tmp_path / 'focal' / 'run', '20250101_000000', ENTRIES)
    alrp = write_log(tmp_path / 'alrp' / 'run', '20250101_000000', [dict(ENTRIES[0], loss_cls=0.2)])
    pictures = []
    for runs in ([focal], [alrp], [focal, alrp]):
        analyse('plot_curves.py', *runs, '--out', 'curves.png', '--keys', 'loss_cls', '--force')
        pictures.append(cv2.imread(str(tmp_path / 'curves.png')))
    assert not any(np.array_equal(picture, pictures[2]) for picture in pictures[:2])


def test_training_is_plotted_by_iteration_and_validation_by_epoch():
    script = runpy.run_path(str(ANALYSIS / 'plot_curves.py'))
    assert script['curve'](ENTRIES, 'loss_cls') == ([10, 20], [0.9, 0.7])
    assert script['curve'](ENTRIES, 'coco/bbox_mAP') == ([1], [0.25])


def test_logs_are_read_in_the_order_of_the_runs(tmp_path):
    run = write_log(tmp_path / 'run', '20250102_000000', [dict(step=30, loss_cls=0.5)])
    write_log(run, '20250101_000000', ENTRIES)
    script = runpy.run_path(str(ANALYSIS / 'plot_curves.py'))
    assert script['curve'](script['read_scalars'](run), 'loss_cls')[0] == [10, 20, 30]


def test_a_resumed_run_continues_from_its_checkpoint(tmp_path):
    entries = [dict(step=step, loss=1.0) for step in (10, 20, 30)]
    run = write_log(tmp_path / 'run', '20250101_000000', entries)
    write_log(run, '20250102_000000', [dict(step=20, loss=0.5), dict(step=30, loss=0.4)])
    script = runpy.run_path(str(ANALYSIS / 'plot_curves.py'))
    curve = script['curve'](script['read_scalars'](run), 'loss')
    assert curve == ([10, 20, 30], [1.0, 0.5, 0.4])


def test_both_stages_and_losses_of_other_detectors_are_drawn():
    script = runpy.run_path(str(ANALYSIS / 'plot_curves.py'))
    logged = ('loss', 'loss_rpn_cls', 'rpn_num_pos', 'rpn_self_balance', 's0.loss_cls')
    run = [
        {'step': 1, 'lr': 0.1, 'time': 1.0, 'coco/bbox_mAP_50': 0.5, **dict.fromkeys(logged, 1.0)}
    ]
    run.append({'step': 1, 'coco/bbox_oLRP': 0.7, 'coco/bbox_mAP': 0.3})
    assert script['keys_to_draw'](dict(run=run), None) == [
        'loss',
        'coco/bbox_mAP',
        'coco/bbox_oLRP',
        'loss_rpn_cls',
        'rpn_num_pos',
        'rpn_self_balance',
        's0.loss_cls',
    ]


def test_the_legend_names_runs_and_smoothing_averages_values():
    script = runpy.run_path(str(ANALYSIS / 'plot_curves.py'))
    runs = dict(a=ENTRIES, b=[dict(ENTRIES[0], loss_cls=0.2)], c=[dict(step=1, lr=0.1)])
    axis = matplotlib.figure.Figure().subplots()
    lines = script['draw'](axis, runs, 'loss_cls', smooth=2)
    assert [line.get_label() for line in lines] == ['a', 'b', 'c']
    assert lines[0].get_ydata() == pytest.approx([0.9, 0.8])
    assert len({line.get_color() for line in lines}) == 3
    [line, *_] = script['draw'](axis, runs, 'self_balance', smooth=2)
    assert list(line.get_ydata()) == [50, 50] and line.get_linewidth() == 1.5
    assert script['smoothed']([1, 2, 3, 4], 3) == pytest.approx([1, 1.5, 2, 3])


def test_an_incomplete_last_line_is_ignored(tmp_path):
    run = write_log(tmp_path / 'run', '20250101_000000', ENTRIES)
    log = next(run.glob('*/vis_data/scalars.json'))
    whole = log.read_text()
    script = runpy.run_path(str(ANALYSIS / 'plot_curves.py'))
    for cut in range(1, 25):
        log.write_text(whole[:-cut])
        assert script['read_scalars'](run) == ENTRIES[:2]
    log.write_text(whole.replace('{"step": 20', '{"st'))
    with pytest.raises(SystemExit, match=r'error: .*scalars\.json .*line 2\b'):
        script['read_scalars'](run)
    log.write_text('[1]\n')
    with pytest.raises(SystemExit, match=r'error: .*scalars\.json .*line 1\b'):
        script['read_scalars'](run)


@pytest.mark.parametrize(
    ('entries', 'message'),
    [
        (None, r'run\b.*folder'),
        ([], r'.*logged.* run$'),
        ([dict(step=1, lr=0.1)], '.*loss, .*lr, step'),
    ],
)
def test_curves_say_what_is_missing(analyse, tmp_path, entries, message):
    if entries is not None:
        write_log(tmp_path / 'run', '20250101_000000', entries)
    with pytest.raises(SystemExit, match=f'error: {message}'):
        analyse('plot_curves.py', 'run')
    assert not (tmp_path / 'training_curves.png').exists()


def test_curves_refuse_folders_without_logs_and_bad_outputs(analyse, tmp_path):
    (tmp_path / 'empty').mkdir()
    write_log(tmp_path / 'run', '20250101_000000', ENTRIES)
    (tmp_path / 'mine.png').write_text('mine')
    for args, message in (
        (['empty'], r'empty .*scalars\.json'),
        (['run', 'run/'], '(twice|once)'),
        (['run', '--out', 'mine.png'], r'mine\.png .*--force'),
        (['run', '--out', 'gone/a.png'], r'gone/a\.png.*No such file'),
        (['run', '--out', 'a.unknown'], r'a\.unknown.*not supported'),
    ):
        with pytest.raises(SystemExit, match=f'error: .*{message}'):
            analyse('plot_curves.py', *args)
    assert (tmp_path / 'mine.png').read_text() == 'mine'


def test_curves_are_written_to_the_given_name(analyse, tmp_path):
    run = write_log(tmp_path / 'run', '20250101_000000', ENTRIES)
    (tmp_path / 'mine.png').write_text('mine')
    analyse('plot_curves.py', run, '--out', 'mine', '--keys', 'loss_cls')
    assert (tmp_path / 'mine').is_file()
    assert (tmp_path / 'mine.png').read_text() == 'mine'
    with pytest.raises(SystemExit, match=r'error: .*run.* directory'):
        analyse('plot_curves.py', run, '--out', 'run', '--force')


@pytest.mark.slow
def test_detections_are_drawn_from_a_training(analyse, config, tool, tmp_path, calibration):
    options = ('train_cfg.max_epochs=1', 'train_cfg.val_interval=1')
    tool('train.py', config, '--work-dir', 'run', options=options)
    checkpoint = (tmp_path / 'run' / 'last_checkpoint').read_text().strip()
    common = [config, checkpoint, '--device', 'cpu']
    analyse('draw_detections.py', *common, '--num-images', 4, '--columns', 2, '--out', 'four.png')
    analyse('draw_detections.py', *common, '--num-images', 2, '--columns', 2, '--out', 'two.png')
    (four, width), (two, width_of_two) = (
        picture_size(tmp_path / f'{name}.png') for name in ('four', 'two')
    )
    assert width == width_of_two
    assert four == pytest.approx(2 * two, rel=0.1)

    thresholds = tmp_path / 'thresholds.json'
    for content, message in (
        ('{}', r'error: .*thresholds\.json.*"thresholds"'),
        ('{"thresholds": {"disc": 0.5}}', r'error: .*thresholds\.json.* square'),
    ):
        thresholds.write_text(content)
        with pytest.raises(SystemExit, match=message):
            analyse('draw_detections.py', *common, '--thresholds', thresholds)
    # Threshold 0 draws everything; no threshold (null) draws nothing.
    drawn = []
    for threshold in (0, None):
        content = dict(thresholds=dict.fromkeys(('square', 'disc'), threshold))
        thresholds.write_text(json.dumps(content))
        out = tmp_path / f'at_{threshold}.png'
        analyse('draw_detections.py', *common, '--thresholds', thresholds, '--out', out)
        drawn.append(out.read_bytes())
    assert drawn[0] != drawn[1]

    # The order of the classes is that of the model, not of the dataset.
    other = tmp_path / 'other_order.py'
    other.write_text(
        f'_base_ = {str(config)!r}\n'
        "test_dataloader = dict(dataset=dict(metainfo=dict(classes=('disc', 'square'))))"
    )
    pictures = []
    thresholds.write_text(json.dumps(dict(thresholds=dict(square=0, disc=None))))
    for name in (config, other):
        out = tmp_path / f'{Path(name).stem}_order.png'
        options = '--device', 'cpu', '--thresholds', thresholds, '--out', out
        analyse('draw_detections.py', name, checkpoint, *options)
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1] != drawn[0]

    for score_thr in (0.4, 1):  # every calibrated score is above 0.5
        out = tmp_path / f'calibrated_{score_thr}.png'
        options = '--calibration', calibration, '--score-thr', score_thr, '--out', out
        analyse('draw_detections.py', *common, *options)
        drawn.append(out.read_bytes())
    assert drawn[2] != drawn[3]

    with pytest.raises(SystemExit, match=r'error: two\.png .*--force'):
        analyse('draw_detections.py', *common, '--out', 'two.png')
    deeper = tmp_path / 'deeper.py'
    deeper.write_text(f'_base_ = {str(config)!r}\nmodel = dict(bbox_head=dict(stacked_convs=2))')
    with pytest.raises(SystemExit, match=r'error: .*epoch_1\.pth'):  # instead of drawing nonsense
        analyse('draw_detections.py', deeper, checkpoint, '--device', 'cpu', '--out', 'random.png')

    analyse('plot_curves.py', 'run', '--out', 'curves.png')
    picture_size(tmp_path / 'curves.png')


def test_detections_say_which_file_is_missing(analyse, config):
    with pytest.raises(SystemExit, match=r'error: .*config .*absent\.py'):
        analyse('draw_detections.py', 'absent.py', config)
    with pytest.raises(SystemExit, match=r'error: .*absent\.pth'):
        analyse('draw_detections.py', config, 'absent.pth')
    with pytest.raises(SystemExit, match=r'error: .*absent\.json'):
        analyse('draw_detections.py', config, config, '--thresholds', 'absent.json')
