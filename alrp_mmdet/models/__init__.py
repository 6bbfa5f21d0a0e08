"""What a config can name. Mirrors ``mmdet.models``."""

from .dense_heads import ALRPRetinaHead
from .losses import APLoss, SelfBalance, aLRPLoss
from .ranking_head import RankingHeadMixin

__all__ = ['ALRPRetinaHead', 'APLoss', 'RankingHeadMixin', 'SelfBalance', 'aLRPLoss']
