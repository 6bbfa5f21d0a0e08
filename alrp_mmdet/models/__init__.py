"""What a config can name. Mirrors ``mmdet.models``."""

from .anchor_ranking_head import AnchorRankingMixin
from .dense_heads import ALRPATSSHead, ALRPFoveaHead, ALRPRetinaHead, ALRPRPNHead
from .losses import APLoss, SelfBalance, aLRPLoss
from .ranking_head import RankingHeadMixin
from .roi_heads import ALRPBBoxHead

__all__ = [
    'ALRPATSSHead',
    'ALRPBBoxHead',
    'ALRPFoveaHead',
    'ALRPRPNHead',
    'ALRPRetinaHead',
    'APLoss',
    'AnchorRankingMixin',
    'RankingHeadMixin',
    'SelfBalance',
    'aLRPLoss',
]
