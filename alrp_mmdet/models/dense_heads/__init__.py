from .alrp_retina_head import ALRPRetinaHead

__all__ = ['ALRPRetinaHead']
