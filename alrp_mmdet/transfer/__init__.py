"""Load checkpoints: safely, into a model with other classes, or from the published code."""
