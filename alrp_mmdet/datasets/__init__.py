from .check import AnnotationError, check_datasets
from .shapes import ShapesDataset

__all__ = ['AnnotationError', 'ShapesDataset', 'check_datasets']
