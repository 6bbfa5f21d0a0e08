from .alrp_loss import aLRPLoss
from .ap_loss import APLoss
from .ranking_loss import RankedBatch, RankingLoss
from .self_balance import SelfBalance

__all__ = ['APLoss', 'RankedBatch', 'RankingLoss', 'SelfBalance', 'aLRPLoss']
