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


@MODELS.register_module()
class OwnAuxiliaryHead(ALRPRetinaHead):
    """A user's head that ranks twice."""

    def loss_by_feat(self, *args, **kwargs):
        return super().loss_by_feat(*args, **kwargs)


def model(head, **losses):
    return dict(type='RetinaNet', bbox_head=dict(type=head, **losses))


@pytest.mark.parametrize(
    'head', ['ALRPRetinaHead', 'ALRPSOLOV2Head', 'OwnRankingHead', 'OwnLossHead']
)
def test_heads_that_call_ranking_losses_pass(head):
    check_losses(model(head, loss_cls=RS, loss_bbox=dict(type='GIoULoss')))
    check_losses(model('OwnAuxiliaryHead', loss_cls=RS, loss_auxiliary=RS))


CANNOT = 'cannot be trained with the ranking loss RankSortLoss'


@pytest.mark.parametrize(
    'head, advice',
    [
        ('RetinaHead', 'Use ALRPRetinaHead or OwnRankingHead or another loss_cls'),
        ('OwnRetinaHead', 'Use ALRPRetinaHead or'),
        ('Shared2FCBBoxHead', 'Use ALRPBBoxHead or another loss_cls'),
        ('BBoxHead', 'Use ALRPBBoxHead or another loss_cls'),
        ('SOLOV2Head', 'Use ALRPSOLOV2Head or another loss_cls'),
        ('DETRHead', r'docs/models\.md lists those .* CONTRIBUTING\.md'),
    ],
)
def test_heads_that_do_not_rank_are_refused(head, advice):
    with pytest.raises(ConfigError, match=f'^{head} {CANNOT}.* {advice}'):
        check_losses(model(head, loss_cls=RS))
    check_losses(model(head, loss_cls=dict(type='FocalLoss')))


@pytest.mark.parametrize(
    'head, key',
    [
        ('RetinaHead', 'loss_bbox'),
        ('ALRPRetinaHead', 'loss_bbox'),
        ('FCOSHead', 'loss_centerness'),
        ('YOLOXHead', 'loss_obj'),
        ('TOODHead', 'initial_loss_cls'),
        ('CenterNetHead', 'loss_center_heatmap'),
    ],
)
def test_ranking_losses_in_other_places_are_refused(head, key):
    with pytest.raises(ConfigError, match=f'^{head} cannot use .* RankSortLoss as {key}, only as'):
        check_losses(model(head, **{key: RS}))
    check_losses(model(head, **{key: dict(type='FocalLoss')}))
