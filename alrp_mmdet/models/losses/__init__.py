from .alrp_loss import aLRPLoss
from .ap_loss import APLoss
from .rank_sort_loss import RankSortLoss
from .ranking_loss import RankedBatch, RankingLoss
from .self_balance import SelfBalance

__all__ = ['APLoss', 'RankSortLoss', 'RankedBatch', 'RankingLoss', 'SelfBalance', 'aLRPLoss']
