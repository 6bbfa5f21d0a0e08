"""Heads and detectors give the same losses, gradients and detections on a GPU as on the CPU."""

import copy
import os
from unittest import mock

import numpy as np
import pytest
import torch
from gpu_process_helpers import global_step
from head_helpers import HEADS, SHAPE
from micro_batch_helpers import assert_equal_steps, make_batch, step, tiny
from tiny_detectors import tiny_detector

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
LOSSES = ('aLRPLoss', 'APLoss', 'RankSortLoss')
# MMDetection computes targets of FoveaBox in float32, and ALRPSOLOV2Head the IoU of masks.
IN_FLOAT32 = {'ALRPFoveaHead', 'fovea', 'solov2'}
FAMILIES = ['retinanet', 'atss', 'fovea', 'faster-rcnn', 'mask-rcnn', 'solov2', 'yolact']


def step_on(device, detector, size=None, shape=SHAPE):
    """Logged values and gradients of a step, moved to the CPU."""

    def batch():
        images, samples = make_batch(shape=shape)
        return images.to(device), [sample.to(device) for sample in samples]

    logged, gradients = step(copy.deepcopy(detector).to(device), size, batch)
    return (
        {name: value.cpu() for name, value in logged.items()},
        {name: value if value is None else value.cpu() for name, value in gradients.items()},
    )


def tolerance(name):
    return 1e-6 if name in IN_FLOAT32 else 1e-8


def small_detector(family):
    detector = tiny_detector(family, 3)
    detector.backbone.norm_eval = True
    for value in detector.parameters():
        value.data *= 0.1
    return detector


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('head', [name for name in HEADS if name != 'ALRPRPNHead'])
def test_dense_heads(head, loss):
    detector = tiny(head, loss_cls=dict(type=loss))
    assert_equal_steps(step_on('cpu', detector), step_on('cuda', detector), tolerance(head))


@pytest.mark.parametrize('family', FAMILIES)
def test_whole_detectors(family, nms_of_doubles):
    detector = small_detector(family).double()
    on_cpu = step_on('cpu', detector, shape=(96, 128))
    on_gpu = step_on('cuda', detector, shape=(96, 128))
    assert_equal_steps(on_cpu, on_gpu, tolerance(family))


@pytest.mark.parametrize('family', ['retinanet', 'faster-rcnn', 'solov2'])
def test_micro_batches(family, nms_of_doubles):
    detector = small_detector(family).double()
    whole = step_on('cuda', detector, shape=(96, 128))
    parts = step_on('cuda', detector, 2, shape=(96, 128))
    assert_equal_steps(whole, parts, 1e-8)


@pytest.mark.parametrize('family', FAMILIES)
def test_scores_of_detections(family):
    detector = small_detector(family).eval()
    images, samples = make_batch(shape=(96, 128))
    for sample in samples:
        sample.set_metainfo(dict(ori_shape=sample.img_shape))

    def scores_on(device):
        model = copy.deepcopy(detector).to(device)
        found = model.predict(images.float().to(device), [x.to(device) for x in samples])
        return [x.pred_instances.scores.cpu().sort().values for x in found]

    # Convolutions use TF32 by default.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        pairs = list(zip(scores_on('cpu'), scores_on('cuda')))
    # Rounding moves pixels across the threshold of a mask, and its score is a mean over the mask.
    rtol = 1e-2 if family == 'solov2' else 1e-3
    for on_cpu, on_gpu in pairs:
        assert len(on_cpu) > 0
        torch.testing.assert_close(on_gpu, on_cpu, rtol=rtol, atol=1e-5)


@pytest.mark.parametrize('loss', LOSSES)
def test_a_global_ranking_of_two_processes(loss, tmp_path):
    parts = [slice(0, 2), slice(2, 5)]
    expected_log, expected = step_on('cuda', tiny(loss_cls=dict(type=loss)))
    context = torch.multiprocessing.get_context('spawn')
    results = context.Queue()
    args = str(tmp_path / 'meeting'), loss, parts, results
    with mock.patch.dict(os.environ, GLOO_SOCKET_IFNAME='lo'):
        processes = [
            context.Process(target=global_step, args=(rank, *args), daemon=True)
            for rank in range(len(parts))
        ]
        for process in processes:
            process.start()
        found = sorted((results.get(timeout=120) for _ in processes), key=lambda result: result[0])
    for _, logged, _ in found:
        for name in ('num_pos', 'loss'):
            assert logged[name] == pytest.approx(expected_log[name].item(), rel=1e-9)
    for name, value in expected.items():  # DDP takes the mean
        ours = np.mean([gradients[name] for _, _, gradients in found], axis=0)
        np.testing.assert_allclose(ours, value, rtol=0, atol=1e-8 * value.abs().max().item())
