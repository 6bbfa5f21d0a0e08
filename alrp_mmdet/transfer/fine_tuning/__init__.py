"""Load the weights of one detector into another: what fits, what is re-initialised, and why."""

from .comparison import Comparison, compare
from .loading import check_fits, fine_tune, warn_of_frozen_random_layers

__all__ = ['Comparison', 'check_fits', 'compare', 'fine_tune', 'warn_of_frozen_random_layers']
