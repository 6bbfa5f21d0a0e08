"""What does not work in micro-batches is refused."""

import random

import numpy as np
import pytest
import torch
from micro_batch_helpers import TinyDetector, make_batch, step, tiny
from mmdet.models import SemiBaseDetector
from mmdet.models.layers import DropBlock
from torch import nn

from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.models.micro_batches import MicroBatches


@pytest.mark.parametrize('size', [0, -1, 2.0, '4', True])
def test_sizes_are_positive_integers(size):
    with pytest.raises(ConfigError, match=f'micro_batch_size.*positive integer.*{size!r}'):
        MicroBatches(tiny(), size)


def test_unsupported_detectors_are_refused():
    with pytest.raises(ConfigError, match=r'micro_batch_size=2.*SemiBaseDetector'):
        MicroBatches(SemiBaseDetector.__new__(SemiBaseDetector), 2)


def test_batch_normalisation_in_training_mode_is_refused():
    detector = tiny(layer=nn.BatchNorm2d(8)).train()
    micro_batches = MicroBatches(detector, 2)
    with pytest.raises(ConfigError, match=r'micro_batch_size=2.*backbone \(layer\).*GN') as error:
        micro_batches.check_norms()
    assert 'norm_eval' not in str(error.value)
    detector.backbone.norm_eval = False
    with pytest.raises(ConfigError, match=r'model\.backbone\.norm_eval=True'):
        micro_batches.check_norms()
    micro_batches.install()
    with pytest.raises(ConfigError, match='backbone'):
        detector.loss(*make_batch())


class NumPyNoise(nn.Module):
    def forward(self, x):
        return x + np.random.rand()


class PythonNoise(nn.Module):
    def forward(self, x):
        return x * random.random()


@pytest.mark.parametrize(
    'layer, fact',
    [
        (DropBlock(0.1, 3), 'backbone.layer.iter_cnt'),
        (nn.InstanceNorm2d(8, track_running_stats=True), 'backbone.layer.running_mean'),
        (NumPyNoise(), 'numpy.random'),
        (PythonNoise(), 'random.getstate'),
    ],
)
def test_layers_whose_second_pass_would_differ_are_refused(layer, fact):
    with pytest.raises(ConfigError, match=f'micro_batch_size=2.*{fact}'):
        step(tiny(layer=layer), 2)
    step(tiny(layer=layer), 5)  # no second pass


@pytest.mark.parametrize(
    'result, fact',
    [
        (lambda x: torch.cat([x] * 3), r'Tensor of shape \(6, .* 2 images'),
        (lambda x: dict(x=x), r'dict of shape \(\) .* 2 images'),
    ],
)
def test_results_that_are_not_per_image_are_refused(monkeypatch, result, fact):
    detector = tiny()
    monkeypatch.setattr(type(detector.bbox_head), 'forward', lambda self, x: (result(x[0]),))
    with pytest.raises(ConfigError, match=f'micro_batch_size=2.*TinyDetector.*{fact}'):
        step(detector, 2)


class ChangesImages(TinyDetector):
    def loss(self, batch_inputs, batch_data_samples):
        return super().loss(batch_inputs * 2, batch_data_samples)


class ChangesFeatures(TinyDetector):
    def loss(self, batch_inputs, batch_data_samples):
        features = [x * 2 for x in self.extract_feat(batch_inputs)]
        return self.bbox_head.loss(features, batch_data_samples)


@pytest.mark.parametrize(
    'cls, fact',
    [
        (ChangesImages, r'ChangesImages\.extract_feat'),
        (ChangesFeatures, r'ALRPRetinaHead\.forward'),
    ],
)
def test_losses_that_would_forward_the_whole_batch_again_are_refused(cls, fact):
    detector = tiny()
    detector.__class__ = cls
    with pytest.raises(ConfigError, match=f'micro_batch_size.*{fact}'):
        step(detector, 2)
    assert 'extract_feat' not in vars(detector)
    step(detector, 5)
