from .alrp_yolact import ALRPYOLACT

__all__ = ['ALRPYOLACT']
