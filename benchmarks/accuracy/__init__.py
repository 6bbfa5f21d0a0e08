"""Compares losses by the accuracy of the detectors they train: ``python benchmarks/accuracy``."""
