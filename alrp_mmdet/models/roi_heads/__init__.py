from .alrp_bbox_head import ALRPBBoxHead

__all__ = ['ALRPBBoxHead']
