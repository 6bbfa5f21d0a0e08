"""Ranking-based losses in plain PyTorch, exact and near-linear in the number of logits.

``ap_loss``, ``alrp_loss`` and ``rank_sort_loss`` are complete losses. To write another one, rank
the logits once with ``Ranking``, compute an error per positive from its ranks, let the ranking
distribute the errors to a gradient, and attach it with ``with_gradient``.
"""

from .alrp import alrp_loss, alrp_loss_from_ranking
from .ap import ap_loss, ap_loss_from_ranking
from .labels import Labels, NonFiniteLogitsError
from .logit_gradient import LogitGradient
from .rank_sort import rank_sort_loss, rank_sort_loss_from_ranking
from .ranking import Ranking
from .step_sums import step_sums
from .with_gradient import with_gradient

__all__ = [
    'Labels',
    'LogitGradient',
    'NonFiniteLogitsError',
    'Ranking',
    'alrp_loss',
    'alrp_loss_from_ranking',
    'ap_loss',
    'ap_loss_from_ranking',
    'rank_sort_loss',
    'rank_sort_loss_from_ranking',
    'step_sums',
    'with_gradient',
]
