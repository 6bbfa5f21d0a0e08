"""Weights of one detector for another: fine-tuning, conversion, safe loading."""
