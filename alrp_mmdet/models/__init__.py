"""Losses and heads for configs. Mirrors ``mmdet.models``."""

from .dense_heads import (
    ALRPATSSHead,
    ALRPFoveaHead,
    ALRPPAAHead,
    ALRPRetinaHead,
    ALRPRPNHead,
    ALRPSOLOV2Head,
    ALRPYOLACTHead,
)
from .dense_ranking_head import AnchorRankingMixin, DenseRankingMixin
from .detectors import ALRPYOLACT
from .losses import APLoss, RankedBatch, RankingLoss, RankSortLoss, SelfBalance, aLRPLoss
from .ranking_head import RankingHeadMixin
from .roi_heads import ALRPBBoxHead, ALRPMaskRoIHead
from .structures import MaskLosses, Predictions, Targets

__all__ = [
    'ALRPYOLACT',
    'ALRPATSSHead',
    'ALRPBBoxHead',
    'ALRPFoveaHead',
    'ALRPMaskRoIHead',
    'ALRPPAAHead',
    'ALRPRPNHead',
    'ALRPRetinaHead',
    'ALRPSOLOV2Head',
    'ALRPYOLACTHead',
    'APLoss',
    'AnchorRankingMixin',
    'DenseRankingMixin',
    'MaskLosses',
    'Predictions',
    'RankSortLoss',
    'RankedBatch',
    'RankingHeadMixin',
    'RankingLoss',
    'SelfBalance',
    'Targets',
    'aLRPLoss',
]
