"""Weights of one detector for another: what fits, what starts anew, what is refused."""

from .comparison import Comparison, compare
from .loading import check_fits, fine_tune

__all__ = ['Comparison', 'check_fits', 'compare', 'fine_tune']
