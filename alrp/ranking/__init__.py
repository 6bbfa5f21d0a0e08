"""Ranking-based losses in plain PyTorch: exact, near-linear in the number of logits, on any device.

Nothing here knows about MMDetection; torch is the only import.
"""

from .alrp import alrp_loss
from .ap import ap_loss
from .error_driven import NonFiniteLogitsError
from .step_sums import step_sums

__all__ = ['NonFiniteLogitsError', 'alrp_loss', 'ap_loss', 'step_sums']
