"""Ranking losses in heads that would call them with other arguments are found before training."""

import pytest
import torch
from mmdet.models import RetinaHead
from mmdet.registry import MODELS

from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.models import ALRPRetinaHead
from alrp_mmdet.models.loss_checks import check_losses

RS = dict(type='RankSortLoss')


@MODELS.register_module()
class OwnRetinaHead(RetinaHead):
    """A user's head whose losses MMDetection calls."""

    def _init_layers(self):
        super()._init_layers()


@MODELS.register_module()
class OwnLossHead(RetinaHead):
    """A user's head that calls its losses itself."""

    def loss_by_feat(self, *args, **kwargs):
        return dict(loss=torch.zeros(()))


@MODELS.register_module()
class OwnRankingHead(ALRPRetinaHead):
    """A user's head that ranks."""


def model(head, **losses):
    return dict(type='RetinaNet', bbox_head=dict(type=head, **losses))


@pytest.mark.parametrize('head', ['ALRPRetinaHead', 'OwnRankingHead', 'OwnLossHead'])
def test_heads_that_call_ranking_losses_pass(head):
    check_losses(model(head, loss_cls=RS, loss_bbox=dict(type='GIoULoss')))


@pytest.mark.parametrize(
    'head, key, advice',
    [
        ('RetinaHead', 'loss_cls', 'Use ALRPRetinaHead or OwnRankingHead or another loss_cls'),
        ('RetinaHead', 'loss_bbox', 'another loss_bbox'),
        ('OwnRetinaHead', 'loss_cls', 'Use ALRPRetinaHead or'),
        ('FCOSHead', 'loss_centerness', 'no head that ranks.*another loss_centerness'),
        ('YOLOXHead', 'loss_obj', 'another loss_obj'),
        ('TOODHead', 'initial_loss_cls', 'another initial_loss_cls'),
        ('CenterNetHead', 'loss_center_heatmap', 'another loss_center_heatmap'),
        ('DETRHead', 'loss_cls', r'CONTRIBUTING\.md to add one'),
        ('Shared2FCBBoxHead', 'loss_cls', 'ALRPShared2FCBBoxHead|another'),
        ('ALRPRetinaHead', 'loss_bbox', 'can only be the loss_cls'),
    ],
)
def test_ranking_losses_in_other_places_are_refused(head, key, advice):
    with pytest.raises(ConfigError, match=f'^{head}.*RankSortLoss.*({advice})'):
        check_losses(model(head, **{key: RS}))
    check_losses(model(head, **{key: dict(type='FocalLoss')}))
