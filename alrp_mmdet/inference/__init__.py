"""Detectors on pictures and videos that no data set lists, and detectors without MMDetection."""
